"""Values whose sizes would cost others their digits, made equal to what matters of them.

Only what a level loses against its user's best one matters. Where values have a large part in
common, or some stand for "not allowed" (-1e15), what is left of a double for the differences is
little. Then each user's best level counts as 0, and a loss that lies far above all others as a
still large one: the bound on these values is one on the users' own too, since no value is lowered.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bcrlsp.allocation.problem.constraints import FloatArray

# Binary orders that lie between losses that matter and others, how many of them the others fill,
# and how far above those that matter the others then count.
_APART, _FILLED, _ABOVE = 16, 2, 12
_SAMPLE = 1024


@dataclass(frozen=True)
class Conditioning:
    """most_lost: what a level may lose against its user's best one; infinite for any.
    largest: what none then loses more than."""

    most_lost: float
    largest: float

    def apply(self, value: NDArray[np.floating]) -> FloatArray:
        """(n, a) values to work with: minus the losses; -inf where a level is not allowed."""
        lost = losses(value)
        return np.where(np.isinf(lost), -np.inf, -np.minimum(lost, self.most_lost))


def losses(value: NDArray[np.floating]) -> FloatArray:
    """(n, a) what each level loses against its user's best one; inf where it is not allowed."""
    doubles = np.asarray(value, dtype=np.float64)
    return np.asarray(doubles.max(axis=1, keepdims=True) - doubles)


def loss_orders(value: NDArray[np.floating]) -> frozenset[int]:
    """Binary orders of the losses of users (n, a)."""
    lost = losses(value)
    return frozenset(np.unique(np.frexp(lost[(lost > 0.0) & np.isfinite(lost)])[1]).tolist())


def condition(orders: Iterable[int], largest: float) -> Conditioning | None:
    """What values ask for, None for nothing. orders: of all losses. largest: |value|."""
    filled = sorted(orders)
    top = len(filled)
    for place in range(len(filled) - 1, 0, -1):
        if filled[place] - filled[place - 1] >= _APART and top - place <= _FILLED:
            top = place
    if not filled or math.frexp(largest)[1] - filled[top - 1] < _APART:
        return None
    if top == len(filled):
        return Conditioning(math.inf, math.ldexp(1.0, filled[-1]))
    most_lost = math.ldexp(1.0, filled[top - 1] + _ABOVE)
    return Conditioning(most_lost, most_lost)


def condition_of(value: NDArray[np.floating], largest: float) -> Conditioning | None:
    """As `condition`, of users in memory; a sample tells whether all need be looked at."""
    some = loss_orders(value[:: max(len(value) // _SAMPLE, 1)])
    top = math.frexp(largest)[1]
    undecided = (top - 1, top, top + 1)
    if some and all(condition({*some, order}, largest) is None for order in undecided):
        return None
    return condition(loss_orders(value), largest)
