"""What no trajectory may be, whoever reads it."""

import numpy as np
from numpy.typing import NDArray


def early_end(terminal: NDArray[np.bool_], offsets: NDArray[np.integer]) -> int | None:
    """The first row that is terminal though another row of its user follows, None for none.

    terminal: (n,) by user and step. offsets: (u + 1,) where users start.
    """
    early = terminal.copy()
    early[offsets[1:][np.diff(offsets) > 0] - 1] = False
    return int(early.argmax()) if early.any() else None


def late_period(same: NDArray[np.bool_], periods: NDArray[np.integer]) -> int | None:
    """The first row whose period is not after that of the step before it, None for none.

    same: (n - 1,) whether rows i and i + 1 are of one user. periods: (n,) by user and step.
    """
    back = same & (periods[1:] <= periods[:-1])
    return int(back.argmax()) + 1 if back.any() else None
