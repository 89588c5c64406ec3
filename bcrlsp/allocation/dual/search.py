"""The search for the prices.

Near the optimal prices only few users are undecided. A pass at some prices gives the exact sums of
everybody's best choices, and what the users choose that some price in a box around would move. The
linear program of these (restricted_master.py, columns.py) gives better prices and a smaller box.
When the box is so small that all its users can be brought to the driver, their program's optimum is
the optimum for
all users: whoever is not in it chooses the same at every price in the box. The start is the optimum
of a sample, found in the same way.

This is Dantzig-Wolfe decomposition with many columns a pass and a trust region, and at the end
sifting (Bixby, Gregory, Lustig, Marsten, Shanno 1992) on the columns that are left.
"""

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from bcrlsp.allocation.dual.pass_result import PassPlan, PassResult, splits
from bcrlsp.allocation.dual.trust_region import TrustRegion
from bcrlsp.allocation.master.columns import trial_prices_of
from bcrlsp.allocation.master.program import NoFeasiblePointError, ProgramSolution
from bcrlsp.allocation.master.restricted_master import RestrictedMaster
from bcrlsp.allocation.passes.array_source import ArraySource
from bcrlsp.allocation.passes.blocks import Answer, Source
from bcrlsp.allocation.passes.objective import Objective
from bcrlsp.allocation.problem.constraints import Constraints, FloatArray
from bcrlsp.allocation.settings import Settings

_DEVIATIONS = 3.0
_MARGIN = 1.5
_SAMPLED_USERS = 300
_GROUP_USERS, _GROUPS_USERS = 32, 32768


@dataclass(frozen=True)
class SearchResult:
    """The last pass, at the prices `centre` (k,), and the program of its undecided users.

    solution.prices: the optimal prices. used: exact usage of the rows in the pass, total: its
    objective. passes: over all users.
    whole: whether all undecided users are in the program and the prices in the box, so that all
    others choose alike at both. feasible: whether the program's solution is a point of the whole
    linear program; where both hold and no price is clipped, it is the optimum.
    """

    centre: FloatArray
    answer: Answer
    used: list[Fraction]
    total: Fraction
    restricted: RestrictedMaster
    solution: ProgramSolution
    passes: int
    whole: bool
    feasible: bool


def search(
    source: Source,
    constraints: Constraints,
    objective: Objective,
    settings: Settings,
    start: FloatArray | None = None,
    depth: int = 0,
) -> SearchResult:
    """Optimal prices of `rows` and the users that are undecided there.

    start: (k,) prices to begin at, such as yesterday's. Raises NoFeasiblePointError.
    """
    none = np.zeros((0, len(constraints.alpha)))
    shape = (len(source.sizes), len(constraints.alpha))
    core_users = max(settings.core_users, min(_GROUP_USERS * shape[0], _GROUPS_USERS))
    most = 4 * core_users
    direct = settings.direct_users
    if len(constraints.alpha) == 1:
        # Where all rows count alike, the whole program of a sample is cheap (hulls.py).
        direct = max(direct, settings.sample_users)
    if source.users <= direct or len(constraints) == 0:
        # Where every user is in the program, prices far off would only cost digits.
        start = None if depth == 0 else start
        if start is None and source.users > settings.direct_users:
            start = _of_sample(source, constraints, objective, settings, depth)[2]
        width = np.inf if len(constraints) else 0.0
        centre = np.zeros(len(constraints)) if start is None else start
        plan = PassPlan(centre, np.full(shape, width), 1.0, none, depth)
        here = PassResult(source, constraints, objective, plan, most)
        return _search_result(here, here.solve(here.restricted.program), 1)
    step = _price_scale(source, constraints, objective)
    if start is None:
        centre, box = _from_sample(source, constraints, objective, settings, step, depth)
    else:
        centre, box = start, constraints.by_pattern(0.05 * start + 1e-3 * step)
    cells = shape[0] * (objective.levels if splits(constraints) else 1)
    sampled = splits(constraints) and core_users >= _SAMPLED_USERS * shape[0]
    trial_prices = none if sampled else trial_prices_of(shape[1], cells, objective.levels)
    route = TrustRegion(core_users, sampled, 1e-2 * constraints.by_pattern(step))
    plan = PassPlan(centre, box, route.share(float(source.users)), trial_prices, 64 * depth)
    last = False
    number = 0
    while True:
        number += 1
        plan = replace(plan, salt=plan.salt + 1)
        here = PassResult(source, constraints, objective, plan, most)
        if here.proves_infeasible():
            raise NoFeasiblePointError
        if sampled and not here.exact and len(here.restricted.users) == 0 < here.undecided:
            plan = replace(plan, share=route.share(float(here.undecided)))
            continue
        program = here.restricted.program if here.exact or sampled else here.column_program()
        solution = here.solve(program)
        clipped = _clipped(here, solution)
        closed = here.exact and (not clipped.any() or here.gap(solution) <= settings.tolerance)
        if last or closed:
            if program is not here.restricted.program:
                solution = here.solve(here.restricted.program)
            return _search_result(here, solution, number)
        last = number >= settings.max_passes
        plan = route.last(here) if last else route.after(here, solution, clipped)


def _search_result(here: PassResult, solution: ProgramSolution, passes: int) -> SearchResult:
    inside = bool(np.all(np.abs(here.met(solution.prices)) <= here.plan.box))
    return SearchResult(
        here.plan.centre,
        here.answer,
        here.used,
        here.total,
        here.restricted,
        solution,
        passes,
        whole=here.exact and inside,
        feasible=here.exact and here.keeps(solution),
    )


def _clipped(here: PassResult, solution: ProgramSolution) -> NDArray[np.bool_]:
    """(g, p) where the prices would leave the box or have."""
    constraints = here.constraints
    beyond = np.abs(here.met(solution.prices)) > here.plan.box * (1.0 + 1e-9)
    return beyond | (constraints.by_pattern(solution.clipped.astype(np.float64)) > 0.0)


def _from_sample(
    source: Source,
    constraints: Constraints,
    objective: Objective,
    settings: Settings,
    step: FloatArray,
    depth: int,
) -> tuple[FloatArray, FloatArray]:
    """Prices (k,) and box (g, p) from the optimum of a sample, for two sizes of the budgets."""
    sample, smaller, centre, answer = _of_sample(source, constraints, objective, settings, depth)
    if answer is None:
        return centre, constraints.by_pattern(step)
    deviation = _DEVIATIONS * _sampling_error(smaller, answer, source)
    # Prices fall with the room, less and less: the way down in room is the longer one.
    tighter = smaller.at([b - Fraction(d) for b, d in zip(smaller.exact, deviation, strict=True)])
    try:
        other = search(sample, tighter, objective, settings, centre, depth + 1)
        far = np.abs(other.solution.prices - centre)
    except NoFeasiblePointError:
        far = step
    return centre, constraints.by_pattern(_MARGIN * far + 1e-9 * step)


def _of_sample(
    source: Source, constraints: Constraints, objective: Objective, settings: Settings, depth: int
) -> tuple[ArraySource, Constraints, FloatArray, Answer | None]:
    """A sample, its rows, their optimal prices (k,) and the answer there: 0 and None without."""
    size = settings.sample_users
    if source.users < 4 * size:
        size = settings.direct_users
    sample = ArraySource.of_sample(source.sample(size), source)
    smaller = constraints.scaled(sample.users / source.users, sample.sizes)
    try:
        result = search(sample, smaller, objective, settings, depth=depth + 1)
    except NoFeasiblePointError:
        return sample, smaller, np.zeros(len(constraints)), None
    return sample, smaller, result.solution.prices, result.answer


def _sampling_error(constraints: Constraints, answer: Answer, source: Source) -> FloatArray:
    """(k,) standard error of a sample's usage of each row, from its second moments by level."""
    mean = answer.cost_of(source.units) / np.maximum(answer.count, 1)
    squared = np.zeros(len(constraints))
    for k in range(len(constraints)):
        p = constraints.pattern[k]
        one = constraints.alpha[p] * mean + constraints.beta[p]
        squared[k] = np.sum((answer.count * one**2)[constraints.member[k]])
    return np.asarray(np.sqrt(squared))


def _price_scale(source: Source, constraints: Constraints, objective: Objective) -> FloatArray:
    """(k,) a price at which nobody would use the row: objective over consumption."""
    use = constraints.largest_use(source.top_cost)
    scale = objective.scale(source) or 1.0
    return np.asarray(scale / np.where(use > 0.0, use, 1.0))
