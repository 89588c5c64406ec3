"""An allocation of the same worth that costs less, where many are of the same worth.

A limit on how many bonuses are sent has a price a bonus, whatever the bonus costs. Where users
gain the same, the linear program has many optima, which differ in what they cost. The same program
with a very small price on all cost has the cheapest of them. Its levels are taken only where they
are worth no less.
"""

import numpy as np

from bcrlsp.allocation.blocks import Source
from bcrlsp.allocation.decide import Decided, decide
from bcrlsp.allocation.dominated import NOISE
from bcrlsp.allocation.kernels import JITTER
from bcrlsp.allocation.objective import Objective
from bcrlsp.allocation.program import NoFeasiblePointError
from bcrlsp.allocation.rounding import NoIntegralPointError
from bcrlsp.allocation.rows import Rows, Tables
from bcrlsp.allocation.search import Found, search
from bcrlsp.allocation.settings import Settings

# What the dearest level loses, as a part of the largest value: far above the jitter between equal
# users, far below what values that are not equal differ by.
_PRICE = 2.0**-24


def cheaper(
    source: Source,
    rows: Rows,
    objective: Objective,
    settings: Settings,
    found: Found,
    decided: Decided,
) -> tuple[Decided, int]:
    """Levels of no less worth that cost less, or those decided; and the passes over all users."""
    if not _has_ties(source, rows, objective, found):
        return decided, 0
    shape = objective.tables.cost.shape
    price = _PRICE * source.scale / float(source.top_cost.max())
    priced = Objective(objective.weight, Tables(np.full(shape, price), np.zeros(shape)))
    try:
        other = search(source, rows, priced, settings, found.solution.prices)
        result = decide(source, rows, priced, other)
    except (NoFeasiblePointError, NoIntegralPointError):
        return decided, 0
    lost = decided.worth(objective, source) - result.worth(objective, source)
    # Sums of values are of whole units.
    rounded = source.users * (source.units.value + NOISE * source.scale)
    if lost <= rounded and result.cost() < decided.cost():
        return result, other.passes
    return decided, other.passes


def _has_ties(source: Source, rows: Rows, objective: Objective, found: Found) -> bool:
    """Whether users in the program tie at prices that do not follow cost, more than rows explain.

    Where all prices are of money, equal worth at less cost would leave a price without use.
    """
    priced = found.solution.prices > 0.0
    money = np.all(rows.alpha == rows.alpha[:, :1], axis=1) & np.all(rows.beta == 0.0, axis=1)
    users = found.core.users
    if not (source.scale > 0.0 and np.any(priced & ~money[rows.pattern]) and len(users)):
        return False
    if not source.top_cost.max(initial=0.0) > 0.0:
        return False
    tables = rows.tables(found.solution.prices)
    score = objective.score(users, objective.priced(tables))
    paid = np.abs(tables.cost[users.code] * users.cost) + np.abs(tables.count[users.code])
    size = np.where(np.isfinite(score), np.abs(score) + paid, 0.0).max(axis=1)
    doubt = 4.0 * JITTER * size
    best = score.max(axis=1)
    ties = np.sum(score >= (best - doubt)[:, None], axis=1) > 1
    return int(ties.sum()) > len(rows)
