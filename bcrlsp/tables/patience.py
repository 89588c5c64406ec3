"""Waiting for other runs that write into the same table."""

import time
from collections.abc import Callable

from bcrlsp.errors import ConflictError

PAUSES = (0.2, 0.5, 1.0, 2.0)
"""Seconds between attempts to make a table, or to write into one that others write into."""


def patiently(write: Callable[[], object]) -> None:
    """Writes; again where another run was first: of rows of their own each, one only waits."""
    for pause in PAUSES:
        try:
            write()
            return
        except ConflictError:
            time.sleep(pause)
    write()
