"""Which budget stands in the way, and the nearest one that can be kept with whole levels."""

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from bcrlsp.allocation.blocks import Source
from bcrlsp.allocation.bound import dual_bound
from bcrlsp.allocation.budget import Budget, InfeasibleBudgetError
from bcrlsp.allocation.decide import Decided, decide, improve
from bcrlsp.allocation.limits import written
from bcrlsp.allocation.objective import Objective
from bcrlsp.allocation.program import NoFeasiblePointError
from bcrlsp.allocation.rounding import NoIntegralPointError
from bcrlsp.allocation.rows import Rows
from bcrlsp.allocation.search import Found, search
from bcrlsp.allocation.settings import Settings

# Rows whose least use is looked for where rounding found no whole levels within all of them.
_TRIED_ROWS = 8
_CLOSE = 1e-9


def diagnose(
    source: Source, rows: Rows, budgets: Sequence[Budget], settings: Settings
) -> InfeasibleBudgetError:
    """The error to raise for rows that no choice keeps.

    It names the first budget, in the order given, that cannot be kept beside those before it; the
    nearest possible is the least that whole levels use of it (the most, for a floor) while all
    others are kept or, where these cannot be kept either, those before it.
    """
    kept, broken = 0, len(rows)
    # The first `kept` rows can be kept together, the first `broken` cannot.
    while broken - kept > 1:
        middle = (kept + broken) // 2
        try:
            least, _ = _least_use(source, rows, middle, range(middle), settings)
        except NoFeasiblePointError:
            broken = middle
            continue
        kept = middle
        if least > rows.rhs[middle]:
            broken = middle + 1
    others = [k for k in range(len(rows)) if k != kept]
    least, decided = _least_whole(source, rows, kept, others, settings)
    if decided is not None:
        return _name_row(rows, budgets, kept, _used(rows, kept, decided), least)
    # Parts of users may keep what whole ones cannot: then a row before it may be in the way.
    start = kept + 1
    while decided is None:
        start -= 1
        least, decided = _least_whole(source, rows, start, range(start), settings)
    for row in range(start, kept + 1):
        used = _used(rows, row, decided)
        if used > rows.exact[row]:
            break
    return _name_row(rows, budgets, row, used, least if row == start else -np.inf)


def _least_whole(
    source: Source, rows: Rows, row: int, beside: Sequence[int], settings: Settings
) -> tuple[float, Decided | None]:
    """What parts of users use of a row at least, and whole levels that use little of it.

    Both with the rows `beside` kept. None where no such levels were found; without rows beside it
    some always are.
    """
    try:
        least, found = _least_use(source, rows, row, beside, settings)
        return least, decide(source, rows.only(beside), _use_of(rows, row), found)
    except (NoFeasiblePointError, NoIntegralPointError):
        return -np.inf, None


def rescue(
    source: Source,
    rows: Rows,
    objective: Objective,
    budgets: Sequence[Budget],
    settings: Settings,
    none: NoIntegralPointError,
) -> Decided:
    """Whole levels within all rows where rounding from the optimum found none.

    They are near those that use least of one row while all others are kept. Raises
    InfeasibleBudgetError where even these break it.
    """
    error: InfeasibleBudgetError | None = None
    for row in [none.row, *(k for k in range(len(rows)) if k != none.row)][:_TRIED_ROWS]:
        others = [k for k in range(len(rows)) if k != row]
        least, decided = _least_whole(source, rows, row, others, settings)
        if decided is None:
            continue
        used = _used(rows, row, decided)
        if used <= rows.exact[row]:
            return improve(source, rows, objective, decided)
        if error is None or row == none.row:
            error = _name_row(rows, budgets, row, used, least)
    if error is None:
        held = rows.exact[none.row] * Fraction(rows.scale[none.row])
        held = Fraction(math.floor(held)) if rows.whole[none.row] else held
        nearest = (held + Fraction(none.excess)) / Fraction(rows.scale[none.row])
        error = _name_row(rows, budgets, none.row, nearest, -np.inf)
    raise error


def _name_row(
    rows: Rows, budgets: Sequence[Budget], row: int, nearest: Fraction, least: float
) -> InfeasibleBudgetError:
    """The error about one row. nearest: sign * use of whole levels, least: of parts of users."""
    budget = next(b for b in budgets if b.name == rows.names[row])
    side = rows.sides[row]
    asked = budget.limit if side == "limit" else (budget.minimum or 0.0)
    proved = float(nearest) - least <= _CLOSE * max(abs(float(nearest)), abs(least))
    return InfeasibleBudgetError(
        budget.name, side, asked, written(abs(nearest), asked, side), proved
    )


def _used(rows: Rows, row: int, decided: Decided) -> Fraction:
    """sign * use of a row by what was decided."""
    return decided.accounts.usage(rows.only([row]), decided.levels)[0]


def _use_of(rows: Rows, row: int) -> Objective:
    """The objective that looks for the least sign * use of a row."""
    return Objective(0.0, rows.only([row]).tables(np.ones(1)))


def _least_use(
    source: Source, rows: Rows, row: int, beside: Sequence[int], settings: Settings
) -> tuple[float, Found]:
    """What sign * use of a row cannot be less than, with the rows `beside` kept, and the search.

    The dual bound of the linear program that looks for the least. Raises NoFeasiblePointError.
    """
    kept, objective = rows.only(beside), _use_of(rows, row)
    found = search(source, kept, objective, settings)
    return -dual_bound(source, kept, objective, found), found
