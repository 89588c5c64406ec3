"""What `allocate` would choose in every period of a logged window: the target of an evaluation."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bcrlsp.allocation import Budget
from bcrlsp.allocation.problem.budget import InfeasibleBudgetError
from bcrlsp.decisions.decide import decide
from bcrlsp.decisions.in_memory import Floats, Scores, solved
from bcrlsp.errors import UserError
from bcrlsp.policies import Policy
from bcrlsp.policies.scoring import Cost, valued

_STEPS = 14


@dataclass(frozen=True, eq=False)
class LoggedWindow:
    """Rows of a window of trajectories, and the policy that would have decided.

    table: columns user_id, period_start, segment, state, cost. counted: what a level costs in the
    LP, as `policies.scoring.score` takes it.
    """

    table: pa.Table
    policy: Policy
    counted: Cost

    @property
    def states(self) -> NDArray[np.float32]:
        """Array (n, d)."""
        states = self.table["state"].combine_chunks()
        flat: NDArray[np.float32] = states.flatten().to_numpy().astype(np.float32)
        return flat.reshape(len(states), -1)

    def budget_like_the_log(self) -> float:
        """Money a period, as the LP counts it, that is expected to cost what the log did."""
        spent = float(np.sum(self.table["cost"].to_numpy()))
        states = self.states
        if self.counted != "expected":
            values, costs = valued(self.policy, states, self.counted)
            scores = Scores(values, costs, self.policy.supported(states))
            spent = budget_that_costs(scores, self.policy.costs(states), spent)
        return spent / len(self.table["period_start"].unique())

    def levels(self, budgets: Sequence[Budget]) -> NDArray[np.int64]:
        """The level of every row, array (n,): each period is an allocation of its own.

        UserError where a period cannot keep the budgets.
        """
        states, allowed = self.states, self.policy.supported(self.states)
        users = self.table["user_id"].to_pylist()
        segments = self.table["segment"].to_numpy(zero_copy_only=False)
        starts = self.table["period_start"].to_numpy()
        chosen = np.zeros(len(states), np.int64)
        for start in np.unique(starts):
            rows = np.flatnonzero(starts == start)
            names = [users[row] for row in rows]

            def scores(
                price: float,
                rows: NDArray[np.int64] = rows,
                names: list[str] = names,
            ) -> Scores:
                values, costs = valued(self.policy, states[rows], self.counted, price)
                return Scores(values, costs, allowed[rows], names, segments[rows])

            try:
                found = decide(
                    scores, lambda each: solved(each, budgets), budgets, self.policy.largest_price
                )
            except InfeasibleBudgetError as error:
                day = np.datetime_as_string(start, unit="m")
                raise UserError(f"in the period {day}: {error}") from None
            chosen[rows] = found.allocation.levels
        return chosen


def budget_that_costs(scores: Scores, expected: Floats, spend: float) -> float:
    """The largest budget, by bisection, whose levels are expected to cost at most `spend`.

    expected: (n, a), money that each level is expected to cost in the end.
    """
    low, high = 0.0, float(scores.costs.max(axis=1).sum())
    rows = np.arange(len(scores.values))
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if expected[rows, solved(scores, [Budget("total", middle)]).levels].sum() <= spend:
            low = middle
        else:
            high = middle
    return low


def of_share(budget: Budget, share: float) -> Budget:
    """The budget of a random share of the users; a count's bounds are whole, and loosened to be."""
    limit: float = float(budget.limit) * share
    least = None if budget.minimum is None else float(budget.minimum) * share
    if budget.measure == "count" and share < 1:
        limit = math.ceil(limit) if math.isfinite(limit) else limit
        least = None if least is None else math.floor(least)
    return replace(budget, limit=limit, minimum=least)
