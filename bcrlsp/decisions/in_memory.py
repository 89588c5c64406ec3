"""Decisions of users in memory: the same budget LP as on Spark."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bcrlsp.allocation import Budget, Certificate, solve

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Scores:
    """Users in memory with their scores.

    values, costs: (n, a), as the LP counts them. allowed: (n, a) bool, or None: all.
    users: ids, which settle ties; None: the rows' numbers do. segments: (n,), or None.
    """

    values: Floats
    costs: Floats
    allowed: NDArray[np.bool_] | None = None
    users: Sequence[str] | None = None
    segments: NDArray[np.object_] | None = None


@dataclass(frozen=True, eq=False)
class Solution:
    """An allocation in memory. levels: (n,)."""

    levels: NDArray[np.int64]
    certificate: Certificate

    def release(self) -> None:
        """Nothing is held elsewhere."""


def solved(
    scores: Scores, budgets: Sequence[Budget], warm_start: Mapping[str, float] | None = None
) -> Solution:
    """The levels that the budget LP chooses. warm_start: prices to begin at, by budget."""
    groups: Mapping[str, NDArray[np.object_]] | None = None
    if scores.segments is not None:
        groups = {"segment": scores.segments}
    found = solve(
        scores.values,
        scores.costs,
        budgets,
        groups=groups,
        allowed=scores.allowed,
        user_ids=scores.users,
        warm_start=warm_start,
    )
    return Solution(found.levels, found.certificate)
