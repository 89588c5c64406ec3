"""One allocation: search, rounding, certificate. `solve` and `allocate` differ in their source."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bcrlsp.allocation.certificate import Certificate, certify
from bcrlsp.allocation.dual.bound import dual_bound
from bcrlsp.allocation.dual.search import SearchResult, search
from bcrlsp.allocation.infeasible import diagnose, rescue
from bcrlsp.allocation.master.program import NoFeasiblePointError
from bcrlsp.allocation.passes.blocks import Source
from bcrlsp.allocation.passes.objective import Objective
from bcrlsp.allocation.primal.equal_worth import cheaper
from bcrlsp.allocation.primal.integral import decide
from bcrlsp.allocation.primal.rounding import NoIntegralPointError
from bcrlsp.allocation.problem.budget import Budget
from bcrlsp.allocation.problem.constraints import Constraints, FloatArray, PriceTables
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
    tables: PriceTables
    place: NDArray[np.int64]
    levels: NDArray[np.int16]
    certificate: Certificate


def run(
    source: Source,
    constraints: Constraints,
    watched: Constraints,
    budgets: Sequence[Budget],
    settings: Settings,
    warm_start: Mapping[str, float] | None,
) -> Outcome:
    """The allocation of all users.

    constraints: what must be kept. watched: the usage of every budget, one row each.
    Raises InfeasibleBudgetError.
    """
    objective = Objective.value(len(source.sizes), constraints.alpha.shape[1])
    try:
        search_result = _search(
            source, constraints, objective, settings, _start(constraints, budgets, warm_start)
        )
    except NoFeasiblePointError:
        raise diagnose(source, constraints, budgets, settings) from None
    try:
        decided = decide(source, constraints, objective, search_result)
    except NoIntegralPointError as none:
        decided = rescue(source, constraints, objective, budgets, settings, none)
    decided, passes = cheaper(source, constraints, objective, settings, search_result, decided)
    search_result = replace(search_result, passes=search_result.passes + passes)
    certificate = certify(source, constraints, watched, objective, budgets, search_result, decided)
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
    constraints: Constraints,
    objective: Objective,
    settings: Settings,
    start: FloatArray | None,
) -> SearchResult:
    """The search from the prices `start`; where these do not lead to the optimum, one without."""
    if start is None:
        return search(source, constraints, objective, settings)
    few = settings.model_copy(update={"max_passes": min(_WARM_PASSES, settings.max_passes)})
    try:
        search_result = search(source, constraints, objective, few, start)
    except NoFeasiblePointError:
        return search(source, constraints, objective, settings)
    bound = dual_bound(source, constraints, objective, search_result)
    gained = math.fsum(search_result.restricted.gain * search_result.solution.x)
    reached = float(search_result.total) + gained
    scale = max(abs(reached), 1e-9 * source.users * objective.scale(source))
    close = bound - reached <= max(settings.tolerance, _WARM_GAP) * scale
    if search_result.feasible and close:
        return search_result
    cold = search(source, constraints, objective, settings)
    return replace(cold, passes=cold.passes + search_result.passes)


def _start(
    constraints: Constraints, budgets: Sequence[Budget], warm_start: Mapping[str, float] | None
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
    prices = np.array([float(warm_start.get(name, 0.0)) for name in constraints.names])
    return np.maximum(prices * constraints.sign, 0.0)
