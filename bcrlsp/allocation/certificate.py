"""What proves an allocation: its value, the bound that no allocation can pass, spend and limits."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bcrlsp.allocation.blocks import Source
from bcrlsp.allocation.bound import dual_bound
from bcrlsp.allocation.budget import Budget
from bcrlsp.allocation.decide import Decided
from bcrlsp.allocation.objective import Objective
from bcrlsp.allocation.rows import Rows
from bcrlsp.allocation.search import Found


@dataclass(frozen=True)
class Certificate:
    """Of one allocation.

    value: sum of values of the chosen levels. bound: what no allocation within the budgets can
    pass, fractional ones included. gap: (bound - value) / |bound|, or over a billionth of the users
    times the largest value where that is more.
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
        """(bound - value) / |bound|."""
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


def certify(
    source: Source,
    rows: Rows,
    watched: Rows,
    objective: Objective,
    budgets: Sequence[Budget],
    found: Found,
    decided: Decided,
) -> Certificate:
    """The certificate of what was decided. watched: the usage of every budget, a row each."""
    core = found.core
    merit = objective.merit(decided.users)
    everyone = np.arange(len(merit))
    more = merit[everyone, decided.levels] - merit[everyone, decided.base]
    value = float(found.total) + math.fsum(more)
    used = decided.accounts.usage(watched, decided.levels)
    spend = dict(zip(watched.names, map(float, used), strict=True))
    bound = dual_bound(source, rows, objective, found)
    value = min(value, bound)
    lp_value = float(found.total) + math.fsum(core.gain * found.solution.x)
    lp_value = min(lp_value, bound) if found.feasible else value
    # Values that cancel out have no relative gap of their own.
    scale = max(abs(bound), 1e-9 * source.users * objective.scale(source)) or 1.0
    prices = dict.fromkeys((budget.name for budget in budgets), 0.0)
    for name, sign, price in zip(rows.names, rows.sign, found.solution.prices, strict=True):
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
        passes=found.passes + 1,
        users=source.users,
    )
