"""What proves an allocation: its value, the bound that no allocation can pass, spend and limits."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bcrlsp.allocation.dual.bound import dual_bound, rounding_of
from bcrlsp.allocation.dual.search import SearchResult
from bcrlsp.allocation.passes.blocks import Source
from bcrlsp.allocation.passes.objective import Objective
from bcrlsp.allocation.primal.integral import IntegralSolution
from bcrlsp.allocation.problem.budget import Budget
from bcrlsp.allocation.problem.constraints import Constraints


@dataclass(frozen=True)
class Certificate:
    """Of one allocation.

    value: sum of values of the chosen levels. bound: what no allocation within the budgets can
    pass, fractional ones included. gap: (bound - value) / |bound|, or over a billionth of the users
    times the largest value where that is more; 0 where both are 0 but for rounding.
    lp_value: value of the linear program's own solution; lp_gap: its gap.
    prices: value of one more unit of each budget; below 0 where its floor binds.
    spend: what the chosen levels use of each budget; limits, minimums: what it may and must.
    passes: over all users, the last one (which gives the levels) included. users: how many.
    """

    value: float
    bound: float
    gap: float
    lp_value: float
    lp_gap: float
    prices: dict[str, float]
    spend: dict[str, float]
    limits: dict[str, float]
    minimums: dict[str, float]
    passes: int
    users: int


@dataclass(frozen=True)
class Solution:
    """An allocation in memory. levels: (n,) int64 chosen levels; the rest as in its certificate."""

    levels: NDArray[np.int64]
    certificate: Certificate

    @property
    def value(self) -> float:
        """Sum of values of the chosen levels."""
        return self.certificate.value

    @property
    def bound(self) -> float:
        """What no allocation within the budgets can pass."""
        return self.certificate.bound

    @property
    def gap(self) -> float:
        """(bound - value) / |bound|, see Certificate."""
        return self.certificate.gap

    @property
    def prices(self) -> dict[str, float]:
        """Value of one more unit of each budget, by name."""
        return self.certificate.prices

    @property
    def spend(self) -> dict[str, float]:
        """What the chosen levels use of each budget, by name."""
        return self.certificate.spend

    @property
    def passes(self) -> int:
        """Passes over all users."""
        return self.certificate.passes


def restate(
    several: Sequence[Certificate], own: Sequence[float], offset: float | None = None
) -> tuple[int, Certificate]:
    """Which of some allocations is the best, and its certificate in the users' own values.

    own: what each is worth in these. The first certificate is of values that are nowhere below
    these but for a sum of `offset`, the others are of these.
    """
    best = int(np.argmax(own))
    chosen, worth, off = several[best], own[best], offset or 0.0
    first = several[0].bound if not off else math.nextafter(several[0].bound + off, math.inf)
    bound = max(min([first, *(restated.bound for restated in several[1:])]), worth)
    lp_value = min(chosen.lp_value + (off if best == 0 else 0.0), bound)
    gap, lp_gap = bound - worth, bound - lp_value
    if offset is not None and len(several) == 1:
        # What adding the offset rounds is no gap.
        gap, lp_gap = chosen.bound - chosen.value, chosen.bound - chosen.lp_value
    scale = abs(bound) or 1.0
    restated = replace(
        chosen,
        value=worth,
        bound=bound,
        gap=gap / scale,
        lp_value=lp_value,
        lp_gap=lp_gap / scale,
        passes=sum(restated.passes for restated in several),
    )
    return best, restated


def certify(
    source: Source,
    constraints: Constraints,
    watched: Constraints,
    objective: Objective,
    budgets: Sequence[Budget],
    search_result: SearchResult,
    decided: IntegralSolution,
) -> Certificate:
    """The certificate of what was decided. watched: the usage of every budget, a row each."""
    restricted = search_result.restricted
    value = float(decided.worth(objective, source))
    used = decided.accounts.usage(watched, decided.levels)
    spend = {name: float(u) for name, u in zip(watched.names, used, strict=True)}
    for budget in budgets:
        # A limit is kept to within the rounding of a user's own sums, see limits.py.
        spend[budget.name] = min(spend[budget.name], float(budget.limit))
    bound = dual_bound(source, constraints, objective, search_result)
    value = min(value, bound)
    lp_value = float(search_result.total) + math.fsum(restricted.gain * search_result.solution.x)
    lp_value = min(lp_value, bound) if search_result.feasible else value
    # Values that cancel out have no relative gap of their own.
    scale = max(abs(bound), 1e-9 * source.users * objective.scale(source)) or 1.0
    if max(abs(bound), bound - value) <= rounding_of(source, constraints, objective, search_result):
        # Both are 0 but for rounding: what is between them is none of the allocation's.
        scale = math.inf
    prices = dict.fromkeys((budget.name for budget in budgets), 0.0)
    for name, sign, price in zip(
        constraints.names, constraints.sign, search_result.solution.prices, strict=True
    ):
        prices[name] += float(sign * price)
    return Certificate(
        value=value,
        bound=bound,
        gap=(bound - value) / scale,
        lp_value=lp_value,
        lp_gap=(bound - lp_value) / scale,
        prices=prices,
        spend=spend,
        limits={budget.name: float(budget.limit) for budget in budgets},
        minimums={b.name: float(b.minimum) for b in budgets if b.minimum is not None},
        passes=search_result.passes + 1,
        users=source.users,
    )
