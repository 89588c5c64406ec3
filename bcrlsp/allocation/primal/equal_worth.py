"""An allocation of the same worth that costs less, where many are of the same worth.

A limit on how many bonuses are sent has a price a bonus, whatever the bonus costs. Where users
gain the same, the linear program has many optima, which differ in what they cost. The same program
with a very small price on all cost has the cheapest of them. Its levels are taken only where they
are worth no less.
"""

import numpy as np

from bcrlsp.allocation.dual.search import SearchResult, search
from bcrlsp.allocation.master.program import NoFeasiblePointError
from bcrlsp.allocation.passes.blocks import Source
from bcrlsp.allocation.passes.dominated import NOISE
from bcrlsp.allocation.passes.kernels import JITTER
from bcrlsp.allocation.passes.objective import Objective
from bcrlsp.allocation.primal.integral import IntegralSolution, decide
from bcrlsp.allocation.primal.rounding import NoIntegralPointError
from bcrlsp.allocation.problem.constraints import Constraints, PriceTables
from bcrlsp.allocation.settings import Settings

# What the dearest level loses, as a part of the largest value: far above the jitter between equal
# users, far below what values that are not equal differ by.
_PRICE = 2.0**-24


def cheaper(
    source: Source,
    constraints: Constraints,
    objective: Objective,
    settings: Settings,
    search_result: SearchResult,
    decided: IntegralSolution,
) -> tuple[IntegralSolution, int]:
    """Levels of no less worth that cost less, or those decided; and the passes over all users."""
    if not _has_ties(source, constraints, objective, search_result):
        return decided, 0
    shape = objective.tables.cost.shape
    price = _PRICE * source.scale / float(source.top_cost.max())
    priced = Objective(objective.weight, PriceTables(np.full(shape, price), np.zeros(shape)))
    try:
        other = search(source, constraints, priced, settings, search_result.solution.prices)
        result = decide(source, constraints, priced, other)
    except (NoFeasiblePointError, NoIntegralPointError):
        return decided, 0
    lost = decided.worth(objective, source) - result.worth(objective, source)
    # Sums of values are of whole units.
    rounded = source.users * (source.units.value + NOISE * source.scale)
    if lost <= rounded and result.cost() < decided.cost():
        return result, other.passes
    return decided, other.passes


def _has_ties(
    source: Source, constraints: Constraints, objective: Objective, search_result: SearchResult
) -> bool:
    """Whether users in the program tie at prices that do not follow cost, more than rows explain.

    Where all prices are of money, equal worth at less cost would leave a price without use.
    """
    priced = search_result.solution.prices > 0.0
    money = np.all(constraints.alpha == constraints.alpha[:, :1], axis=1) & np.all(
        constraints.beta == 0.0, axis=1
    )
    users = search_result.restricted.users
    if not (source.scale > 0.0 and np.any(priced & ~money[constraints.pattern]) and len(users)):
        return False
    if not source.top_cost.max(initial=0.0) > 0.0:
        return False
    tables = constraints.tables(search_result.solution.prices)
    score = objective.score(users, objective.priced(tables))
    paid = np.abs(tables.cost[users.group_index] * users.cost) + np.abs(
        tables.count[users.group_index]
    )
    size = np.where(np.isfinite(score), np.abs(score) + paid, 0.0).max(axis=1)
    doubt = 4.0 * JITTER * size
    best = score.max(axis=1)
    ties = np.sum(score >= (best - doubt)[:, None], axis=1) > 1
    return int(ties.sum()) > len(constraints)
