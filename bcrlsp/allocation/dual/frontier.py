"""Value and spend as functions of one budget, from one more pass.

A sample's optimum at every limit asked for gives prices; one pass over all users at these prices
gives the exact spend and value of what they choose there. Each such choice is the best for its own
spend, so that the points lie on the frontier. The dual function at the same prices bounds the
value at every limit from above.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from bcrlsp.allocation.dual.search import search
from bcrlsp.allocation.master.program import NoFeasiblePointError
from bcrlsp.allocation.passes.array_source import ArraySource
from bcrlsp.allocation.passes.blocks import Source
from bcrlsp.allocation.passes.objective import Objective
from bcrlsp.allocation.problem.budget import Budget
from bcrlsp.allocation.problem.constraints import Constraints, FloatArray
from bcrlsp.allocation.problem.fixed_point import Units
from bcrlsp.allocation.settings import Settings
from bcrlsp.errors import UserError

SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.35, 1.5, 1.75, 2.0)


@dataclass(frozen=True)
class Frontier:
    """budget: name of the budget that varies; the others stay as they are.

    price, spend, value: (j,), of the best choices at each price, in rising order of spend.
    base: (j,) what the dual function at each price is at a limit of 0; it rises by price a unit.
    """

    budget: str
    price: FloatArray
    spend: FloatArray
    value: FloatArray
    base: FloatArray

    def at(self, limit: float) -> tuple[float, float]:
        """(value, bound) at a limit: between the points' values, and what nothing can pass.

        The value is nan below the least spend of the points. Other budgets are kept at prices of
        a sample: where they bind, the value is about theirs. The bound is true for all.
        """
        value = float(np.interp(limit, self.spend, self.value, left=np.nan))
        return value, float(np.min(self.base + self.price * limit))


def frontier(
    source: Source,
    constraints: Constraints,
    budgets: Sequence[Budget],
    settings: Settings,
    name: str | None = None,
    shares: Sequence[float] = SHARES,
) -> Frontier:
    """The frontier of the budget called `name`, None for the first.

    shares: limits to look at, as parts of the budget's own. Raises UserError for a budget that is
    not there or has no limit.
    """
    row = _row(constraints, budgets, name)
    objective = Objective.value(len(source.sizes), constraints.alpha.shape[1])
    prices = _sample_prices(source, constraints, objective, settings, row, shares)
    sums = source.sums(1.0, [constraints.tables(price) for price in prices])
    used = np.array([_usage(constraints, sums[j], source.units) for j in range(len(prices))])
    value = sums[:, 0].sum(axis=(1, 2)) * source.units.value
    others = np.arange(len(constraints)) != row
    paid = (prices * used)[:, others] - (prices * constraints.rhs)[:, others]
    base = value - paid.sum(axis=1) - prices[:, row] * used[:, row]
    order = np.argsort(used[:, row], kind="stable")
    return Frontier(
        constraints.names[row], prices[order, row], used[order, row], value[order], base[order]
    )


def _row(constraints: Constraints, budgets: Sequence[Budget], name: str | None) -> int:
    wanted = name if name is not None else (budgets[0].name if budgets else None)
    for k, (row_name, side) in enumerate(zip(constraints.names, constraints.sides, strict=True)):
        if row_name == wanted and side == "limit":
            return k
    allowed = [
        n for n, side in zip(constraints.names, constraints.sides, strict=True) if side == "limit"
    ]
    raise UserError(
        f"there is no frontier of budget {wanted!r}; allowed, as they have a limit: "
        f"{', '.join(allowed) or 'none'}"
    )


def _sample_prices(
    source: Source,
    constraints: Constraints,
    objective: Objective,
    settings: Settings,
    row: int,
    shares: Sequence[float],
) -> FloatArray:
    """(j, k) optimal prices of a sample at every limit that it can keep."""
    sample = ArraySource.of_sample(source.sample(settings.sample_users), source)
    smaller = constraints.scaled(sample.users / source.users, sample.sizes)
    prices = []
    for share in shares:
        limits = list(smaller.exact)
        limits[row] *= Fraction(share)
        try:
            result = search(sample, smaller.at(limits), objective, settings, depth=1)
        except NoFeasiblePointError:
            continue
        prices.append(result.solution.prices)
    return np.unique(np.array(prices).reshape(-1, len(constraints)), axis=0)


def _usage(constraints: Constraints, sums: NDArray[np.int64], units: Units) -> FloatArray:
    """(k,) sign * usage of the rows."""
    return np.array([float(used) for used in constraints.usage(sums, units)])
