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
# Passes within which the program with a price on cost is solved, or is not worth more.
_PASSES = 16
# Times the usual cost beyond which the dearest level says nothing of it.
_FAR = 8.0


def cheaper(
    source: Source,
    constraints: Constraints,
    objective: Objective,
    settings: Settings,
    search_result: SearchResult,
    decided: IntegralSolution,
) -> tuple[IntegralSolution, int]:
    """Levels of no less worth that cost less, or those decided; and the passes over all users.

    Levels that are worth more are taken as well: where a limit is on some levels and dearer ones
    are worth the same, the program without a price on cost may not tell its users apart at all.
    """
    if not _may_tie(source, constraints, objective, search_result, decided):
        return decided, 0
    shape = objective.tables.cost.shape
    best, passes = decided, 0
    few = settings.model_copy(update={"max_passes": min(_PASSES, settings.max_passes)})
    for price in _prices(source, search_result):
        priced = Objective(objective.weight, PriceTables(np.full(shape, price), np.zeros(shape)))
        start = search_result.solution.prices if search_result.whole else None
        try:
            other = search(source, constraints, priced, few, start)
            result = decide(source, constraints, priced, other)
        except (NoFeasiblePointError, NoIntegralPointError):
            continue
        passes += other.passes
        gained = result.worth(objective, source) - best.worth(objective, source)
        # Sums of values are of whole units.
        rounded = source.users * (source.units.value + NOISE * source.scale)
        if gained > rounded or (gained >= -rounded and result.cost() < best.cost()):
            best = result
    return best, passes


def _prices(source: Source, search_result: SearchResult) -> list[float]:
    """Prices of money: by the dearest level, and where most cost far less, by what they do."""
    top = float(source.top_cost.max())
    users = search_result.restricted.users
    costs = users.cost[users.cost > 0.0]
    usual = float(np.median(costs)) if len(costs) else top
    sizes = [top] if top <= _FAR * usual else [top, usual]
    return [_PRICE * source.scale / size for size in sizes]


def _may_tie(
    source: Source,
    constraints: Constraints,
    objective: Objective,
    search_result: SearchResult,
    decided: IntegralSolution,
) -> bool:
    """Whether many allocations may be worth as much as this one and cost otherwise.

    Where all constraints are of money, equal worth at less cost would leave a price without use.
    """
    money = np.all(constraints.alpha == constraints.alpha[:, :1], axis=1) & np.all(
        constraints.beta == 0.0, axis=1
    )
    other = ~money[constraints.pattern]
    if not (source.scale > 0.0 and source.top_cost.max(initial=0.0) > 0.0 and other.any()):
        return False
    if not (search_result.whole and search_result.feasible):
        return True
    if np.any(other & (search_result.solution.prices > 0.0)):
        return _has_ties(constraints, objective, search_result)
    # Without a price, a limit that is used up may still be used by those who save little by it.
    left = constraints.room(decided.accounts.usage(constraints, decided.levels))
    return bool(np.any(other & (left <= constraints.largest_use(source.top_cost))))


def _has_ties(constraints: Constraints, objective: Objective, search_result: SearchResult) -> bool:
    """Whether more users in the program tie at the prices than there are constraints."""
    users = search_result.restricted.users
    if not len(users):
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
