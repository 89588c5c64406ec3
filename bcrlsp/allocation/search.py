"""The search for the prices.

Near the optimal prices only few users are undecided. A pass at some prices gives the exact sums of
everybody's best choices and the users that some price in a box around would move, or a share of
them. The linear program of these few (core.py) gives better prices, and its answer to slightly
other budgets says how far off they may still be: the next box. When the box is so small that all
its users can be brought along, the program's optimum is the optimum for all users: whoever is not
in it chooses the same at every price in the box. The start is the optimum of a sample, found in
the same way.

The idea is that of sifting (Bixby, Gregory, Lustig, Marsten, Shanno 1992) with sampled columns and
the exact dual function of the Lagrangian relaxation of the budgets.
"""

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from bcrlsp.allocation.blocks import Answer, ArraySource, Query, Source, Users
from bcrlsp.allocation.core import Core, CoreSolution, NoFeasiblePoint, build_core, solve_core
from bcrlsp.allocation.kernels import damping
from bcrlsp.allocation.rows import FloatArray, Rows, Tables
from bcrlsp.allocation.settings import Search

# Standard errors that a sampled budget is moved by to see how far its price may be off.
_DEVIATIONS = 3.0
_MARGIN = 1.5
_NARROWEST = 1e-3


@dataclass(frozen=True)
class Objective:
    """What is maximised: weight * value - cost[g, a] * cost - count[g, a], summed over users."""

    weight: float
    tables: Tables

    @classmethod
    def value(cls, groups: int, levels: int) -> "Objective":
        """The sum of values."""
        return cls(1.0, Tables(np.zeros((groups, levels)), np.zeros((groups, levels))))

    def priced(self, tables: Tables) -> Tables:
        """The price tables of a pass: this objective's own and the rows'."""
        return Tables(self.tables.cost + tables.cost, self.tables.count + tables.count)

    def merit(self, users: Users) -> FloatArray:
        """(m, a) each level's part of the objective; -inf where it is not allowed."""
        paid = self.tables.cost[users.code] * users.cost + self.tables.count[users.code]
        banned = np.isneginf(users.value)
        return np.where(banned, -np.inf, self.weight * np.where(banned, 0.0, users.value) - paid)

    def total(self, answer: Answer, source: Source) -> Fraction:
        """The objective of the choices of a pass, exactly."""
        units = source.units
        total = Fraction(self.weight) * int(answer.value.sum()) * Fraction(units.value)
        for g, a in np.argwhere(self.tables.cost):
            paid = Fraction(float(self.tables.cost[g, a])) * int(answer.cost[g, a])
            total -= paid * Fraction(units.cost)
        for g, a in np.argwhere(self.tables.count):
            total -= Fraction(float(self.tables.count[g, a])) * int(answer.count[g, a])
        return total

    def scale(self, source: Source) -> float:
        """The largest size of one user's part."""
        return (
            self.weight * source.scale
            + float(np.abs(self.tables.cost).max(initial=0.0)) * source.top_cost
            + float(np.abs(self.tables.count).max(initial=0.0))
        )


@dataclass(frozen=True)
class Found:
    """The last pass, its prices and the program of its near users, all of which are in it.

    centre: (k,) prices of the pass. solution.prices: the optimal ones. used: exact usage of the
    rows in the pass, total: its objective. passes: over all users. complete: whether the
    program's optimum is the optimum for all users.
    """

    centre: FloatArray
    box: FloatArray
    answer: Answer
    used: list[Fraction]
    total: Fraction
    core: Core
    solution: CoreSolution
    passes: int
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
    if source.users <= settings.direct_users:
        endless = np.full(len(rows), np.inf)
        return _Pass(source, rows, objective, np.zeros(len(rows)), endless, 1.0, depth).found(1)
    step = _price_scale(source, rows, objective)
    if start is None:
        centre, box = _from_sample(source, rows, objective, settings, step, depth)
    else:
        centre, box = start, 0.05 * start + 1e-3 * step
    expected = float(source.users)
    clips = np.zeros(len(rows))
    for number in range(1, settings.max_passes + 1):
        share = min(1.0, settings.core_users / max(expected, 1.0))
        here = _Pass(source, rows, objective, centre, box, share, 64 * depth + number)
        if here.hopeless:
            raise NoFeasiblePoint
        solution = here.solve(0.0)
        clipped = solution.clipped
        near = int(here.answer.ratios.sum())
        if share == 1.0 and not clipped.any():
            break
        spread = _MARGIN * here.uncertainty(solution)
        wider = np.maximum(2.0 * box, 1e-6 * step) * 2.0**clips
        clips = np.where(clipped, clips + 1, 0)
        narrow = np.clip(spread, _NARROWEST * box, box)
        ratio = float(np.max(narrow / np.where(box > 0, box, np.inf), initial=0.0))
        # A box that holds as many users as the core may leaves more of them to fill budgets with.
        ratio = max(ratio, _widest(here.answer.ratios, settings.core_users // 2))
        if clipped.any():
            # Rows at the end of their box have further to go; the others keep theirs.
            ratio = 1.0
        expected = _within(here.answer.ratios, ratio) if near else 0.0
        if clipped.any():
            expected = max(expected, near) * 2.0
        box = np.where(clipped, wider, np.minimum(np.maximum(narrow, ratio * box), box))
        centre = solution.prices
    return here.found(number)


class _Pass:
    """One pass over the users at `centre` and the program of the near users."""

    def __init__(
        self,
        source: Source,
        rows: Rows,
        objective: Objective,
        centre: FloatArray,
        box: FloatArray,
        share: float,
        salt: int,
    ) -> None:
        self.source, self.rows, self.objective = source, rows, objective
        self.centre, self.box = centre, box
        self.tables = objective.priced(rows.tables(centre))
        finite = bool(np.all(np.isfinite(box)))
        widths = rows.by_pattern(np.where(np.isfinite(box), box, 0.0))
        query = Query(
            objective.weight, self.tables, source.units, widths, rows.alpha, rows.beta, salt, share
        )
        self.answer = source.scan(query)
        users = self.answer.near if finite else source.sample(1.0, salt)
        self.used = rows.usage(self.answer.cost, self.answer.count, source.units.cost)
        self.total = objective.total(self.answer, source)
        self.room = np.array([float(Fraction(float(b)) - u) for b, u in zip(rows.rhs, self.used, strict=True)])
        base = users.choose(objective.weight, self.tables)
        merit = objective.merit(users)
        score = _score(users, objective.weight, self.tables)
        near = _near(rows, users, base, score, widths) if finite else merit > -np.inf
        self.core = build_core(rows, users, base, merit, score, near, share)

    @property
    def hopeless(self) -> bool:
        """Whether the dual function lies below every possible objective: no choice is feasible."""
        dual = self.total + sum(
            (Fraction(float(y)) * Fraction(float(r)) for y, r in zip(self.centre, self.room, strict=True)),
            Fraction(0),
        )
        return float(dual) < -2.0 * self.source.users * self.objective.scale(self.source)

    def solve(self, moved: FloatArray | float) -> CoreSolution:
        """The program with its room moved by `moved` (k,)."""
        return solve_core(self.core, self.room + moved, self.centre, self.box)

    def uncertainty(self, solution: CoreSolution) -> FloatArray:
        """(k,) how far the prices may be off because only a share of the near users is known."""
        share = self.core.share
        squared = self.core.use.multiply(self.core.use)
        moved = (np.minimum(solution.x * share, 1.0) @ squared) if len(solution.x) else 0.0
        step = abs(self.core.use).max(axis=0).toarray().ravel() if len(solution.x) else 0.0
        deviation = _DEVIATIONS * np.sqrt((1.0 - share) * np.asarray(moved)) / share + step / share
        prices = np.array([self.solve(sign * deviation).prices for sign in (-1.0, 1.0)])
        return np.max(np.abs(prices - solution.prices), axis=0)

    def found(self, passes: int) -> Found:
        """What the search hands on, solved without sampling."""
        solution = self.solve(0.0)
        return Found(
            self.centre, self.box, self.answer, self.used, self.total, self.core, solution, passes,
            complete=self.core.share == 1.0 and not bool(solution.clipped.any()),
        )  # fmt: skip


def _from_sample(
    source: Source, rows: Rows, objective: Objective, settings: Search, step: FloatArray, depth: int
) -> tuple[FloatArray, FloatArray]:
    """Prices and box from the optimum of a sample, solved for three sizes of the budgets."""
    size = settings.sample_users
    if source.users < 4 * size:
        size = settings.direct_users
    share = min(1.0, size / source.users)
    users = source.sample(share, salt=2**32 + depth)
    if len(users) == 0:
        return np.zeros(len(rows)), step
    sample = ArraySource.of_sample(users, source)
    share = sample.users / source.users
    smaller = rows.scaled(share, sample.sizes)
    try:
        middle = search(sample, smaller, objective, settings, depth=depth + 1)
    except NoFeasiblePoint:
        return np.zeros(len(rows)), step
    deviation = _DEVIATIONS * _sampling_error(smaller, middle.answer, source)
    prices = [middle.solution.prices]
    for sign in (-1.0, 1.0):
        moved = replace(smaller, rhs=smaller.rhs + sign * deviation)
        try:
            found = search(sample, moved, objective, settings, prices[0], depth + 1)
            prices.append(found.solution.prices)
        except NoFeasiblePoint:
            prices.append(prices[0] + step)
    spread = np.max(np.abs(np.array(prices) - prices[0]), axis=0)
    return prices[0], _MARGIN * spread + 1e-9 * step


def _sampling_error(rows: Rows, answer: Answer, source: Source) -> FloatArray:
    """(k,) standard error of a sample's usage of each row, from its second moments by level."""
    count = np.maximum(answer.count, 1)
    mean = answer.cost * source.units.cost / count
    squared = np.zeros(len(rows))
    for k in range(len(rows)):
        p = rows.pattern[k]
        one = rows.alpha[p] * mean + rows.beta[p]
        squared[k] = np.sum((answer.count * one**2)[rows.member[k]])
    return np.sqrt(squared)


def _price_scale(source: Source, rows: Rows, objective: Objective) -> FloatArray:
    """(k,) a price at which nobody would use the row: objective over consumption."""
    use = rows.alpha.max(axis=1) * source.top_cost + rows.beta.max(axis=1)
    use = use[rows.pattern] if len(rows) else np.zeros(0)
    scale = objective.scale(source) or 1.0
    return scale / np.where(use > 0, use, 1.0)


def _score(users: Users, weight: float, tables: Tables) -> FloatArray:
    """(m, a) scores as the compiled pass has them."""
    paid = tables.cost[users.code] * users.cost + tables.count[users.code]
    banned = np.isneginf(users.value)
    return np.where(
        banned,
        -np.inf,
        weight * np.where(banned, 0.0, users.value) - damping(users.hashes)[:, None] * paid,
    )


def _near(
    rows: Rows, users: Users, base: NDArray[np.int16], score: FloatArray, widths: FloatArray
) -> NDArray[np.bool_]:
    """(m, a) levels that some price in the box (twice as wide) makes better than the base."""
    everyone = np.arange(len(users))
    weights = rows.weights(users.cost)
    change = np.abs(weights - weights[everyone, :, base][:, :, None])
    reach = np.einsum("mp,mpa->ma", widths[users.code], change)
    return np.asarray(score[everyone, base][:, None] - score <= 2.0 * reach)


def _within(ratios: NDArray[np.int64], ratio: float) -> float:
    """About how many users are within `ratio` times the box."""
    if ratio <= 0.0:
        return float(ratios[-1])
    j = int(np.clip(np.floor(-np.log2(min(ratio, 1.0))), 0, len(ratios) - 1))
    return float(ratios[j:].sum())


def _widest(ratios: NDArray[np.int64], users: int) -> float:
    """The largest part of the box, a power of two, that holds at most `users`."""
    outside = np.cumsum(ratios[::-1])[::-1]
    inside = np.flatnonzero(outside <= users)
    return float(2.0 ** -int(inside[0])) if len(inside) else 0.0

