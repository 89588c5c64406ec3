"""Which budget stands in the way, and the nearest one that can be kept with whole levels."""

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from bcrlsp.allocation.dual.bound import dual_bound
from bcrlsp.allocation.dual.search import SearchResult, search
from bcrlsp.allocation.master.program import NoFeasiblePointError
from bcrlsp.allocation.passes.blocks import Source
from bcrlsp.allocation.passes.objective import Objective
from bcrlsp.allocation.primal.integral import IntegralSolution, decide, improve
from bcrlsp.allocation.primal.rounding import NoIntegralPointError
from bcrlsp.allocation.problem.budget import Budget, InfeasibleBudgetError
from bcrlsp.allocation.problem.constraints import Constraints
from bcrlsp.allocation.problem.limits import written
from bcrlsp.allocation.settings import Settings

# Rows whose least use is looked for where rounding found no whole levels within all of them.
_TRIED_ROWS = 8
_CLOSE = 1e-9


def diagnose(
    source: Source, constraints: Constraints, budgets: Sequence[Budget], settings: Settings
) -> InfeasibleBudgetError:
    """The error to raise for rows that no choice keeps.

    It names the first budget, in the order given, that cannot be kept beside those before it; the
    nearest possible is the least that whole levels use of it (the most, for a floor) while all
    others are kept or, where these cannot be kept either, those before it.
    """
    kept, broken = 0, len(constraints)
    # The first `kept` rows can be kept together, the first `broken` cannot.
    while broken - kept > 1:
        middle = (kept + broken) // 2
        try:
            least, _ = _least_use(source, constraints, middle, range(middle), settings)
        except NoFeasiblePointError:
            broken = middle
            continue
        kept = middle
        if least > constraints.rhs[middle]:
            broken = middle + 1
    others = [k for k in range(len(constraints)) if k != kept]
    least, decided = _least_whole(source, constraints, kept, others, settings)
    if decided is not None:
        return _name_row(constraints, budgets, kept, _used(constraints, kept, decided), least)
    # Parts of users may keep what whole ones cannot: then a row before it may be in the way.
    start = kept + 1
    while decided is None:
        start -= 1
        least, decided = _least_whole(source, constraints, start, range(start), settings)
    for row in range(start, kept + 1):
        used = _used(constraints, row, decided)
        if used > constraints.exact[row]:
            break
    return _name_row(constraints, budgets, row, used, least if row == start else -np.inf)


def _least_whole(
    source: Source, constraints: Constraints, row: int, beside: Sequence[int], settings: Settings
) -> tuple[float, IntegralSolution | None]:
    """What parts of users use of a row at least, and whole levels that use little of it.

    Both with the rows `beside` kept. None where no such levels were found; without rows beside it
    some always are.
    """
    try:
        least, search_result = _least_use(source, constraints, row, beside, settings)
        return least, decide(
            source, constraints.only(beside), _use_of(constraints, row), search_result
        )
    except (NoFeasiblePointError, NoIntegralPointError):
        return -np.inf, None


def rescue(
    source: Source,
    constraints: Constraints,
    objective: Objective,
    budgets: Sequence[Budget],
    settings: Settings,
    none: NoIntegralPointError,
) -> IntegralSolution:
    """Whole levels within all rows where rounding from the optimum found none.

    They are near those that use least of one row while all others are kept. Raises
    InfeasibleBudgetError where even these break it.
    """
    error: InfeasibleBudgetError | None = None
    for row in [none.row, *(k for k in range(len(constraints)) if k != none.row)][:_TRIED_ROWS]:
        others = [k for k in range(len(constraints)) if k != row]
        least, decided = _least_whole(source, constraints, row, others, settings)
        if decided is None:
            continue
        used = _used(constraints, row, decided)
        if used <= constraints.exact[row]:
            return improve(source, constraints, objective, decided)
        if error is None or row == none.row:
            error = _name_row(constraints, budgets, row, used, least)
    if error is None:
        kept_use = constraints.exact[none.row] * Fraction(constraints.scale[none.row])
        kept_use = Fraction(math.floor(kept_use)) if constraints.whole[none.row] else kept_use
        nearest = (kept_use + Fraction(none.excess)) / Fraction(constraints.scale[none.row])
        error = _name_row(constraints, budgets, none.row, nearest, -np.inf)
    raise error


def _name_row(
    constraints: Constraints, budgets: Sequence[Budget], row: int, nearest: Fraction, least: float
) -> InfeasibleBudgetError:
    """The error about one row. nearest: sign * use of whole levels, least: of parts of users."""
    budget = next(b for b in budgets if b.name == constraints.names[row])
    side = constraints.sides[row]
    asked = budget.limit if side == "limit" else (budget.minimum or 0.0)
    proved = float(nearest) - least <= _CLOSE * max(abs(float(nearest)), abs(least))
    return InfeasibleBudgetError(
        budget.name, side, asked, written(abs(nearest), asked, side), proved
    )


def _used(constraints: Constraints, row: int, decided: IntegralSolution) -> Fraction:
    """sign * use of a row by what was decided."""
    return decided.accounts.usage(constraints.only([row]), decided.levels)[0]


def _use_of(constraints: Constraints, row: int) -> Objective:
    """The objective that looks for the least sign * use of a row."""
    return Objective(0.0, constraints.only([row]).tables(np.ones(1)))


def _least_use(
    source: Source, constraints: Constraints, row: int, beside: Sequence[int], settings: Settings
) -> tuple[float, SearchResult]:
    """What sign * use of a row cannot be less than, with the rows `beside` kept, and the search.

    The dual bound of the linear program that looks for the least. Raises NoFeasiblePointError.
    """
    kept, objective = constraints.only(beside), _use_of(constraints, row)
    search_result = search(source, kept, objective, settings)
    return -dual_bound(source, kept, objective, search_result), search_result
