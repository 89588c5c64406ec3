"""The search for the prices.

Near the optimal prices only few users are undecided. A pass at some prices gives the exact sums of
everybody's best choices, and what the users choose that some price in a box around would move. The
linear program of these (core.py, tiers.py) gives better prices and a smaller box. When the box is
so small that all its users can be brought to the driver, their program's optimum is the optimum for
all users: whoever is not in it chooses the same at every price in the box. The start is the optimum
of a sample, found in the same way.

This is Dantzig-Wolfe decomposition with many columns a pass and a trust region, and at the end
sifting (Bixby, Gregory, Lustig, Marsten, Shanno 1992) on the columns that are left.
"""

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from bcrlsp.allocation.blocks import Answer, ArraySource, Source
from bcrlsp.allocation.core import Core
from bcrlsp.allocation.local import Local, Plan, splits
from bcrlsp.allocation.objective import Objective
from bcrlsp.allocation.program import NoFeasiblePoint, ProgramSolution
from bcrlsp.allocation.rows import FloatArray, Rows
from bcrlsp.allocation.settings import Search
from bcrlsp.allocation.tiers import tries_of

_DEVIATIONS = 3.0
_MARGIN = 1.5
_NARROWEST, _WIDEST = 0.02, 0.6
_SAMPLED_USERS = 300


@dataclass(frozen=True)
class Found:
    """The last pass, at the prices `centre` (k,), and the program of its near users.

    solution.prices: the optimal prices. used: exact usage of the rows in the pass, total: its
    objective. passes: over all users. whole: whether all near users are in the core and the
    prices in the box, so that all others choose alike at both; complete: whether moreover the
    program's optimum is the optimum for all users.
    """

    centre: FloatArray
    answer: Answer
    used: list[Fraction]
    total: Fraction
    core: Core
    solution: ProgramSolution
    passes: int
    whole: bool
    complete: bool


def search(
    source: Source,
    rows: Rows,
    objective: Objective,
    settings: Search,
    start: FloatArray | None = None,
    depth: int = 0,
) -> Found:
    """Optimal prices of `rows` and the users that are undecided there.

    start: (k,) prices to begin at, such as yesterday's. Raises NoFeasiblePoint.
    """
    none = np.zeros((0, len(rows.alpha)))
    shape = (len(source.sizes), len(rows.alpha))
    if source.users <= settings.direct_users or len(rows) == 0:
        width = np.inf if len(rows) else 0.0
        plan = Plan(np.zeros(len(rows)), np.full(shape, width), 1.0, none, depth)
        return _found(Local(source, rows, objective, plan), 1)
    step = _price_scale(source, rows, objective)
    if start is None:
        centre, box = _from_sample(source, rows, objective, settings, step, depth)
    else:
        centre, box = start, rows.by_pattern(0.05 * start + 1e-3 * step)
    cells = shape[0] * (objective.levels if splits(rows) else 1)
    sampled = splits(rows) and settings.core_users >= _SAMPLED_USERS * shape[0]
    tries = none if sampled else tries_of(shape[1], cells, objective.levels)
    smallest = 1e-6 * rows.by_pattern(step)
    expected = float(source.users)
    for number in range(1, settings.max_passes + 1):
        share = min(1.0, settings.core_users / max(expected, 1.0))
        share = share if sampled or share == 1.0 else 0.0
        plan = Plan(centre, box, share, tries, 64 * depth + number)
        here = Local(source, rows, objective, plan)
        if here.hopeless:
            raise NoFeasiblePoint
        by_user = share == 1.0 or sampled
        program = here.core.program if by_user else here.tiers()
        solution = here.solve(program)
        clipped = _clipped(here, solution)
        if share == 1.0 and not clipped.any():
            return _found(here, number)
        if share == 1.0:
            narrow = box
        elif sampled:
            narrow = np.clip(_MARGIN * here.uncertainty(solution), 1e-3 * box, box)
        else:
            narrow = _bracket(here, solution)
        wide = np.maximum(3.0 * box, smallest)
        ratio = float(np.average(narrow.max(axis=1) / np.maximum(box.max(axis=1), 1e-300), weights=source.sizes))
        ratio = 1.0 if clipped.any() else max(ratio, _part(here.answer.ratios, settings.core_users // 2))
        expected = 1.25 * _within(here.answer.ratios, ratio)
        if clipped.any():
            expected = max(expected, 3.0 * here.near, 1.0)
        box = np.where(clipped, wide, np.minimum(np.maximum(narrow, ratio * box), box))
        centre = solution.prices
    return _found(here, number)


def _found(here: Local, passes: int) -> Found:
    whole = here.plan.share == 1.0
    solution = here.solve(here.core.program)
    inside = bool(np.all(np.abs(here.met(solution.prices)) <= here.plan.box))
    clipped = bool(solution.clipped.any())
    return Found(
        here.plan.centre, here.answer, here.used, here.total, here.core, solution, passes,
        whole and inside, whole and inside and not clipped,
    )  # fmt: skip


def _clipped(here: Local, solution: ProgramSolution) -> NDArray[np.bool_]:
    """(g, p) where the prices would leave the box or have."""
    rows = here.rows
    beyond = np.abs(here.met(solution.prices)) > here.plan.box * (1.0 + 1e-9)
    return beyond | (rows.by_pattern(solution.clipped.astype(np.float64)) > 0.0)


def _bracket(here: Local, solution: ProgramSolution) -> FloatArray:
    """(g, p) the distance from the prices to the tries around them."""
    box, tries = here.plan.box, here.plan.tries
    place = here.met(solution.prices) / np.where(box > 0.0, box, 1.0)
    if tries.shape[1] == 1:
        stops = np.sort(np.concatenate([[-1.0, 0.0, 1.0], tries[:, 0]]))
        after = np.clip(np.searchsorted(stops, place, side="right"), 1, len(stops) - 1)
        off = np.maximum(stops[after] - place, place - stops[after - 1])
        return np.clip(1.05 * off, 0.0, 1.0) * box
    groups = len(box)
    mix = np.reshape(solution.x, (groups, -1, len(tries)))
    stay = 1.0 - mix.sum(axis=2)
    used = (mix > 1e-9).any(axis=1)
    off = np.abs(tries[None, :, :] - place[:, None, :])
    off = np.where(used[:, :, None], off, 0.0).max(axis=1)
    off = np.where((stay > 1e-9).any(axis=1)[:, None], np.maximum(off, np.abs(place)), off)
    return np.clip(off, _NARROWEST, _WIDEST) * box


def _from_sample(
    source: Source, rows: Rows, objective: Objective, settings: Search, step: FloatArray, depth: int
) -> tuple[FloatArray, FloatArray]:
    """Prices (k,) and box (g, p) from the optimum of a sample, for three sizes of the budgets."""
    size = settings.sample_users
    if source.users < 4 * size:
        size = settings.direct_users
    sample = ArraySource.of_sample(source.sample(size), source)
    smaller = rows.scaled(sample.users / source.users, sample.sizes)
    try:
        middle = search(sample, smaller, objective, settings, depth=depth + 1)
    except NoFeasiblePoint:
        return np.zeros(len(rows)), rows.by_pattern(step)
    deviation = _DEVIATIONS * _sampling_error(smaller, middle.answer, source)
    centre = middle.solution.prices
    far = np.zeros(len(rows))
    for sign in (-1.0, 1.0):
        moved = replace(smaller, rhs=smaller.rhs + sign * deviation)
        try:
            other = search(sample, moved, objective, settings, centre, depth + 1)
            far = np.maximum(far, np.abs(other.solution.prices - centre))
        except NoFeasiblePoint:
            far = np.maximum(far, step)
    return centre, rows.by_pattern(_MARGIN * far + 1e-9 * step)


def _sampling_error(rows: Rows, answer: Answer, source: Source) -> FloatArray:
    """(k,) standard error of a sample's usage of each row, from its second moments by level."""
    mean = answer.cost * source.units.cost / np.maximum(answer.count, 1)
    squared = np.zeros(len(rows))
    for k in range(len(rows)):
        p = rows.pattern[k]
        one = rows.alpha[p] * mean + rows.beta[p]
        squared[k] = np.sum((answer.count * one**2)[rows.member[k]])
    return np.asarray(np.sqrt(squared))


def _price_scale(source: Source, rows: Rows, objective: Objective) -> FloatArray:
    """(k,) a price at which nobody would use the row: objective over consumption."""
    use = (rows.alpha.max(axis=1) * source.top_cost + rows.beta.max(axis=1))[rows.pattern]
    scale = objective.scale(source) or 1.0
    return np.asarray(scale / np.where(use > 0.0, use, 1.0))


def _within(ratios: NDArray[np.int64], ratio: float) -> float:
    """About how many users are within `ratio` times the box: a power of two upwards."""
    j = int(np.clip(np.floor(-np.log2(min(max(ratio, 1e-30), 1.0))), 0, len(ratios) - 1))
    return float(ratios[j:].sum())


def _part(ratios: NDArray[np.int64], users: int) -> float:
    """The largest part of the box, a power of two, that holds at most `users`."""
    inside = np.flatnonzero(np.cumsum(ratios[::-1])[::-1] <= users)
    return float(2.0 ** -int(inside[0])) if len(inside) else 0.0
