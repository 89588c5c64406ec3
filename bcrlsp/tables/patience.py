"""Waiting for other runs that write into the same table."""

import time
from collections.abc import Callable
from typing import TypeVar

from bcrlsp.errors import ConflictError

PAUSES = (0.2, 0.5, 1.0, 2.0)
"""Seconds between attempts to make a table, or to write into one that others write into."""

_T = TypeVar("_T")

# How Delta's conflict errors name themselves, in classic sessions and through Connect.
_CONFLICTS = ("DELTA_CONCURRENT", "DELTA_METADATA_CHANGED", "DELTA_PROTOCOL_CHANGED", "Concurrent")


def is_conflict(error: Exception) -> bool:
    """Whether Delta refused a write since another one was first."""
    return any(word in str(error) for word in _CONFLICTS)


def patiently(write: Callable[[], _T]) -> _T:
    """What the write gives; again where another run was first.

    Where each run writes rows of its own, or only over rows that it saw, one waits for the other.
    """
    for pause in PAUSES:
        try:
            return write()
        except ConflictError:
            time.sleep(pause)
    return write()


def until_whole(name: str, once: Callable[[], _T | None]) -> _T:
    """What `once` gives; once more while it gives None: another run changed what it looked at.

    name: of the table, for ConflictError where that does not end.
    """
    for pause in (*PAUSES, None):
        found = once()
        if found is not None:
            return found
        if pause is not None:
            time.sleep(pause)
    raise ConflictError(f"other runs change table {name} time and again; run again when they ended")
