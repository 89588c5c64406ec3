"""One allocation: search, rounding, certificate. `solve` and `allocate` differ in their source."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from bcrlsp.allocation.blocks import Source
from bcrlsp.allocation.budget import Budget
from bcrlsp.allocation.certificate import Certificate, certify
from bcrlsp.allocation.program import NoFeasiblePoint
from bcrlsp.allocation.infeasible import diagnose, name_row
from bcrlsp.allocation.rounding import NoIntegralPoint, moves_of, round_levels
from bcrlsp.allocation.rows import FloatArray, Rows, Tables
from bcrlsp.allocation.objective import Objective
from bcrlsp.allocation.search import Found, search
from bcrlsp.allocation.settings import Search
from bcrlsp.errors import UserError


@dataclass(frozen=True)
class Outcome:
    """The decisions: everybody takes the best level under `tables`, except for some users.

    place: (m, 2) int64 block and row, levels: (m,) their levels.
    """

    tables: Tables
    place: NDArray[np.int64]
    levels: NDArray[np.int16]
    certificate: Certificate


def run(
    source: Source,
    rows: Rows,
    budgets: Sequence[Budget],
    settings: Search,
    warm_start: Mapping[str, float] | None,
) -> Outcome:
    """The allocation of all users. Raises InfeasibleBudgetError."""
    objective = Objective.value(len(source.sizes), rows.alpha.shape[1])
    try:
        found = search(source, rows, objective, settings, _start(rows, warm_start))
    except NoFeasiblePoint:
        raise diagnose(source, rows, budgets, settings) from None
    core = found.core
    moves = moves_of(rows, core.users, objective.merit(core.users), source.units.cost)
    room = np.array([float(Fraction(float(b)) - u) for b, u in zip(rows.rhs, found.used, strict=True)])
    x = found.solution.x if found.complete else np.zeros(len(core.gain))
    try:
        levels = round_levels(core, moves, x, room)
    except NoIntegralPoint as none:
        nearest = abs(rows.rhs[none.row] + none.excess)
        raise name_row(rows, budgets, none.row, nearest) from None
    spend = _spend(source, rows, budgets, found, levels)
    certificate = certify(source, rows, objective, budgets, found, levels, spend)
    changed = levels != core.base
    tables = objective.priced(rows.tables(found.centre))
    return Outcome(tables, core.users.place[changed], levels[changed], certificate)


def _start(rows: Rows, warm_start: Mapping[str, float] | None) -> FloatArray | None:
    if warm_start is None:
        return None
    unknown = sorted(set(warm_start) - set(rows.names))
    if unknown:
        raise UserError(
            f"warm_start has a price for {unknown[0]!r}, which is no budget; "
            f"allowed: {', '.join(sorted(set(rows.names)))}"
        )
    prices = np.array([warm_start.get(name, 0.0) for name in rows.names])
    if not np.all(np.isfinite(prices)):
        raise UserError("warm_start has a price that is no finite number; leave it out")
    return np.maximum(prices * rows.sign, 0.0)


def _spend(
    source: Source, rows: Rows, budgets: Sequence[Budget], found: Found, levels: NDArray[np.int16]
) -> dict[str, float]:
    """Usage of each budget, exactly: never less than what is used."""
    core = found.core
    cost, count = found.answer.cost.copy(), found.answer.count.copy()
    units = np.ceil(core.users.cost / source.units.cost).astype(np.int64)
    everyone = np.arange(len(levels))
    for chosen, sign in ((core.base, -1), (levels, 1)):
        np.add.at(cost, (core.users.code, chosen), sign * units[everyone, chosen])
        np.add.at(count, (core.users.code, chosen), sign)
    used = rows.usage(cost, count, source.units.cost)
    broken = [k for k in range(len(rows)) if used[k] > Fraction(float(rows.rhs[k]))]
    if broken:
        raise ArithmeticError(f"row {rows.names[broken[0]]!r} is broken after rounding")
    spend = {
        name: float(sign * amount) for name, sign, amount in zip(rows.names, rows.sign, used, strict=True)
    }
    return {budget.name: spend.get(budget.name, 0.0) for budget in budgets}
