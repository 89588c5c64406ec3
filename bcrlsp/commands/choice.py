"""What a budget makes of scores in memory, and which budget makes of them what is wanted."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bcrlsp.allocation import Budget, solve

_STEPS = 14

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Choice:
    """Users with their scores.

    values: (n, a), expected discounted retained periods. costs: (n, a), money that the LP counts.
    allowed: (n, a) bool. users: ids, which settle ties; None: the rows' numbers do.
    """

    values: Floats
    costs: Floats
    allowed: NDArray[np.bool_]
    users: Sequence[str] | None = None

    def levels(self, budget: float) -> NDArray[np.int64]:
        """The levels that the budget LP chooses, array (n,)."""
        found = solve(
            self.values,
            self.costs,
            [Budget("total", budget)],
            allowed=self.allowed,
            user_ids=self.users,
        )
        return found.levels

    def budget_that_costs(self, expected: Floats, spend: float) -> float:
        """The largest budget, by bisection, whose levels are expected to cost at most `spend`.

        expected: (n, a), money that each level is expected to cost in the end.
        """
        low, high = 0.0, float(self.costs.max(axis=1).sum())
        rows = np.arange(len(self.values))
        for _ in range(_STEPS):
            middle = (low + high) / 2
            if expected[rows, self.levels(middle)].sum() <= spend:
                low = middle
            else:
                high = middle
        return low
