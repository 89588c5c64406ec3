"""Which budget stands in the way, and the nearest one that could be kept."""

from collections.abc import Sequence

import numpy as np

from bcrlsp.allocation.blocks import Source
from bcrlsp.allocation.bound import dual_bound
from bcrlsp.allocation.budget import Budget, InfeasibleBudgetError
from bcrlsp.allocation.objective import Objective
from bcrlsp.allocation.program import NoFeasiblePoint
from bcrlsp.allocation.rows import Rows
from bcrlsp.allocation.search import search
from bcrlsp.allocation.settings import Settings


def diagnose(
    source: Source, rows: Rows, budgets: Sequence[Budget], settings: Settings
) -> InfeasibleBudgetError:
    """The error to raise for rows that no choice keeps.

    It names the first budget, in the order given, that cannot be kept beside those before it; the
    nearest possible is the least it can use (the most, for a floor) while they are kept.
    """
    kept, broken = 0, len(rows)
    # The first `kept` rows can be kept together, the first `broken` cannot.
    while broken - kept > 1:
        middle = (kept + broken) // 2
        try:
            least = _least_use(source, rows, middle, settings)
        except NoFeasiblePoint:
            broken = middle
            continue
        kept = middle
        if least > rows.rhs[middle]:
            broken = middle + 1
    nearest = _least_use(source, rows, kept, settings)
    return name_row(rows, budgets, kept, abs(nearest), proved=True)


def name_row(
    rows: Rows, budgets: Sequence[Budget], row: int, nearest: float, proved: bool
) -> InfeasibleBudgetError:
    """The error about one row. proved: see InfeasibleBudgetError."""
    budget = next(b for b in budgets if b.name == rows.names[row])
    side = rows.sides[row]
    asked = budget.limit if side == "limit" else (budget.minimum or 0.0)
    return InfeasibleBudgetError(budget.name, side, asked, nearest, proved)


def _least_use(source: Source, rows: Rows, row: int, settings: Settings) -> float:
    """What sign * use of a row cannot be less than while all before it are kept.

    The dual bound of the linear program that looks for the least. Raises NoFeasiblePoint.
    """
    one = np.zeros(len(rows))
    one[row] = 1.0
    objective = Objective(0.0, rows.tables(one))
    found = search(source, rows.first(row), objective, settings)
    return -dual_bound(source, rows.first(row), objective, found)
