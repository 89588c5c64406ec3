"""One allocation: search, rounding, certificate. `solve` and `allocate` differ in their source."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bcrlsp.allocation.blocks import Source
from bcrlsp.allocation.bound import dual_bound
from bcrlsp.allocation.budget import Budget
from bcrlsp.allocation.certificate import Certificate, certify
from bcrlsp.allocation.decide import decide
from bcrlsp.allocation.equal_worth import cheaper
from bcrlsp.allocation.infeasible import diagnose, rescue
from bcrlsp.allocation.objective import Objective
from bcrlsp.allocation.program import NoFeasiblePointError
from bcrlsp.allocation.rounding import NoIntegralPointError
from bcrlsp.allocation.rows import FloatArray, Rows, Tables
from bcrlsp.allocation.search import Found, search
from bcrlsp.allocation.settings import Settings
from bcrlsp.arrays import is_number
from bcrlsp.errors import UserError, shown

# Passes that prices to begin at are worth, and the relative gap at which they have led somewhere.
_WARM_PASSES, _WARM_GAP = 8, 1e-6


@dataclass(frozen=True)
class Outcome:
    """The decisions: everybody takes the best level under `weight` and `tables`, except for some.

    place: (m, 2) int64 block and row, levels: (m,) their levels.
    """

    weight: float
    tables: Tables
    place: NDArray[np.int64]
    levels: NDArray[np.int16]
    certificate: Certificate


def run(
    source: Source,
    rows: Rows,
    watched: Rows,
    budgets: Sequence[Budget],
    settings: Settings,
    warm_start: Mapping[str, float] | None,
) -> Outcome:
    """The allocation of all users.

    rows: what must be kept. watched: the usage of every budget, one row each.
    Raises InfeasibleBudgetError.
    """
    objective = Objective.value(len(source.sizes), rows.alpha.shape[1])
    try:
        found = _search(source, rows, objective, settings, _start(rows, budgets, warm_start))
    except NoFeasiblePointError:
        raise diagnose(source, rows, budgets, settings) from None
    try:
        decided = decide(source, rows, objective, found)
    except NoIntegralPointError as none:
        decided = rescue(source, rows, objective, budgets, settings, none)
    decided, passes = cheaper(source, rows, objective, settings, found, decided)
    found = replace(found, passes=found.passes + passes)
    certificate = certify(source, rows, watched, objective, budgets, found, decided)
    changed = decided.levels != decided.base
    return Outcome(
        decided.weight,
        decided.tables,
        decided.users.place[changed],
        decided.levels[changed],
        certificate,
    )


def _search(
    source: Source,
    rows: Rows,
    objective: Objective,
    settings: Settings,
    start: FloatArray | None,
) -> Found:
    """The search from the prices `start`; where these do not lead to the optimum, one without."""
    if start is None:
        return search(source, rows, objective, settings)
    few = settings.model_copy(update={"max_passes": min(_WARM_PASSES, settings.max_passes)})
    try:
        found = search(source, rows, objective, few, start)
    except NoFeasiblePointError:
        return search(source, rows, objective, settings)
    bound = dual_bound(source, rows, objective, found)
    reached = float(found.total) + math.fsum(found.core.gain * found.solution.x)
    scale = max(abs(reached), 1e-9 * source.users * objective.scale(source))
    if found.feasible and bound - reached <= max(settings.tolerance, _WARM_GAP) * scale:
        return found
    cold = search(source, rows, objective, settings)
    return replace(cold, passes=cold.passes + found.passes)


def _start(
    rows: Rows, budgets: Sequence[Budget], warm_start: Mapping[str, float] | None
) -> FloatArray | None:
    if warm_start is None:
        return None
    if not isinstance(warm_start, Mapping):
        raise UserError(f"warm_start is {warm_start!r}; allowed: {{budget: price}} or None")
    names = {budget.name for budget in budgets}
    unknown = sorted(set(warm_start) - names, key=repr)
    if unknown:
        raise UserError(
            f"warm_start has a price for {unknown[0]!r}, which is no budget; "
            f"allowed: {', '.join(sorted(names))}"
        )
    for name, price in warm_start.items():
        if not is_number(price):
            raise UserError(
                f"warm_start has a price that is no finite number for {name!r}: {shown(price)}; "
                "leave it out"
            )
    prices = np.array([float(warm_start.get(name, 0.0)) for name in rows.names])
    return np.maximum(prices * rows.sign, 0.0)
