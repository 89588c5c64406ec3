"""Waiting for other runs that write into the same table."""

import time
from collections.abc import Callable

from bcrlsp.errors import ConflictError

PAUSES = (0.2, 0.5, 1.0, 2.0)
"""Seconds between attempts to make a table, or to write into one that others write into."""


# How Delta's conflict errors name themselves, in classic sessions and through Connect.
_CONFLICTS = ("DELTA_CONCURRENT", "DELTA_METADATA_CHANGED", "DELTA_PROTOCOL_CHANGED", "Concurrent")


def is_conflict(error: Exception) -> bool:
    """Whether Delta refused a write since another one was first."""
    return any(word in str(error) for word in _CONFLICTS)


def patiently(write: Callable[[], object]) -> None:
    """Writes; again where another run was first: of rows of their own each, one only waits."""
    for pause in PAUSES:
        try:
            write()
            return
        except ConflictError:
            time.sleep(pause)
    write()
