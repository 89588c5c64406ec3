"""What a user's past leaves behind: small machines that count, one file a family.

A counter is bookkeeping, not a guess: from its state and whether something happened in a period
(a return, or a bonus) the next state follows. Which family and size describes users best is decided
by the likelihood of held-out users.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bcrlsp.registry import Registry


@dataclass(frozen=True, eq=False)
class Counter:
    """A deterministic machine of s states.

    after: int64 array (2, s), the state that follows a period without (row 0) and with (row 1) the
        event.
    score: float64 array (s,), how much the state holds of it, from 0 (none) to 1.
    """

    after: NDArray[np.int64]
    score: NDArray[np.float64]

    @property
    def rest(self) -> int:
        """The state of one to whom the event has not happened for long: the lowest score."""
        return int(self.score.argmin())

    def __len__(self) -> int:
        return len(self.score)


# A family of counters by size, 1 the smallest; each size has more states than the one before.
COUNTERS: Registry[Callable[[int], Counter]] = Registry("counter", __name__, "bcrlsp.counters")

__all__ = ["COUNTERS", "Counter"]
