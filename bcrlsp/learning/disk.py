"""States in a file, for trajectories larger than memory.

Batches are drawn from all rows evenly, as in memory: nothing is shuffled in part, and a run gives
the same policy. A batch's rows are read from the file; the system keeps what memory has room for.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bcrlsp.errors import UserError


class StatesOnDisk(np.memmap):  # type: ignore[type-arg]
    """Array (n, d) float32 in a file. Sent to another process, it is the file's name that travels:
    all learners must see the folder."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        """The file, where this is all of it; else a copy of the part."""
        if isinstance(self.base, np.memmap) or self.filename is None:
            return np.array(self).__reduce_ex__(protocol)
        return _opened, (str(self.filename), self.shape)


def _opened(path: str, shape: tuple[int, int]) -> StatesOnDisk:
    return StatesOnDisk(path, np.float32, "r", shape=shape)


def created(path: Path, shape: tuple[int, int]) -> StatesOnDisk:
    """A new file, to be written; see `finished`."""
    return StatesOnDisk(path, np.float32, "w+", shape=shape)


def finished(states: StatesOnDisk) -> StatesOnDisk:
    """The same file, to be read."""
    states.flush()
    return _opened(str(states.filename), states.shape)


@contextmanager
def states_file(folder: str | None) -> Iterator[Path | None]:
    """A place in the folder for one file of states, removed at the end; None: in memory.

    UserError where the folder cannot be written.
    """
    if folder is None:
        yield None
        return
    if not folder.strip():
        raise UserError(f"--states-in {folder!r}: allowed: a folder; name one, or leave it out")
    try:
        place = tempfile.TemporaryDirectory(prefix="bcrlsp-states-", dir=folder)
    except OSError as error:
        raise UserError(
            f"--states-in {folder!r}: {error.strerror}; give a folder on a fast local disk that "
            "can be written"
        ) from None
    with place as inside:
        yield Path(inside) / "states"


def allocate(path: Path | None) -> Callable[[tuple[int, int]], NDArray[np.float32]]:
    """Makes the array that states are read into: in the file, or in memory."""
    if path is None:
        return lambda shape: np.empty(shape, np.float32)
    return lambda shape: created(path, shape)
