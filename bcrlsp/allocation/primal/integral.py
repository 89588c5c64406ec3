"""Whole levels from the search's last pass."""

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial

import numpy as np
from numpy.typing import NDArray

from bcrlsp.allocation.dual.search import SearchResult
from bcrlsp.allocation.passes.blocks import Answer, Source, Users
from bcrlsp.allocation.passes.dominated import dominated
from bcrlsp.allocation.passes.objective import Objective
from bcrlsp.allocation.primal.accounts import Accounts
from bcrlsp.allocation.primal.exact import TooManyChoicesError, best_levels
from bcrlsp.allocation.primal.least_cost import cheapest
from bcrlsp.allocation.primal.local_search import local_search, save
from bcrlsp.allocation.primal.rounding import (
    Moves,
    NoIntegralPointError,
    largest_part,
    moves_of,
    round_levels,
)
from bcrlsp.allocation.problem.constraints import Constraints, FloatArray, PriceTables

# Users beside the undecided ones, as multiples of them, to move where these alone cannot keep the
# rows.
_EXTRA = (0, 4, 16)
_SOME = 1000
# Users to move where a floor makes spend without value.
_WIDE = 65_536
# Up to `_EXACT` users the best whole levels are found, up to `_TRIED` where few choices come close.
_EXACT, _EXACT_CHOICES = 12, 1_000_000
_TRIED, _TRIED_CHOICES = 40, 20_000

Levels = NDArray[np.int16]


@dataclass(frozen=True)
class IntegralSolution:
    """users: m users whose level may differ from the pass's. base: (m,) the pass's levels, levels:
    (m,) theirs. Everybody else is at the pass's: best under `weight` and `tables`, with the sums
    of `answer`."""

    users: Users
    base: Levels
    levels: Levels
    accounts: Accounts
    answer: Answer
    weight: float
    tables: PriceTables

    def worth(self, objective: Objective, source: Source) -> Fraction:
        """What everybody's levels are worth."""
        coefficient, everyone = objective.coefficient(self.users), np.arange(len(self.levels))
        more = coefficient[everyone, self.levels] - coefficient[everyone, self.base]
        return objective.total(self.answer, source) + Fraction(math.fsum(more))

    def cost(self) -> Fraction:
        """What everybody's levels cost."""
        return self.accounts.cost(self.levels)


@dataclass(frozen=True)
class _Movable:
    """The users that may be moved and what their moves do. base, start: (m,) levels."""

    users: Users
    base: Levels
    start: Levels
    accounts: Accounts
    moves: Moves


def decide(
    source: Source, constraints: Constraints, objective: Objective, search_result: SearchResult
) -> IntegralSolution:
    """One level a user, every row kept. Raises NoIntegralPointError."""
    restricted = search_result.restricted
    x = search_result.solution.x if search_result.feasible else np.zeros(len(restricted.gain))
    none: NoIntegralPointError | None = None
    prices, tables = (
        search_result.solution.prices / constraints.scale,
        objective.priced(constraints.tables(search_result.centre)),
    )
    for times in _EXTRA:
        users, start = restricted.users, largest_part(restricted, x)
        if source.users <= _TRIED and len(users) < source.users and len(constraints):
            users, start = _with_others(source, users, start, source.users)
        elif times:
            users, start = _with_others(source, users, start, times * max(len(users), _SOME))
        base = users.choose(objective.weight, tables)
        here = _movable(source, constraints, objective, search_result.answer, users, base, start)
        slack_of = partial(here.accounts.slack, constraints)
        levels: Levels | None = None
        try:
            levels = round_levels(here.moves, here.start, slack_of)
        except NoIntegralPointError as now:
            none, levels = now, _feasible_equals(constraints, here, objective)
        if levels is not None:
            counted = constraints.users.astype(np.float64)
            levels = local_search(here.moves, users.group_index, levels, slack_of, prices, counted)
        if len(constraints) and len(users) == source.users <= _TRIED:
            levels = _best(constraints, here, prices, levels)
        if levels is not None:
            levels = _cheapest_of_equals(constraints, here, objective, levels)
            decided = IntegralSolution(
                users, base, levels, here.accounts, search_result.answer, objective.weight, tables
            )
            if len(users) < source.users and _pays_without_value(
                constraints, here, objective, levels
            ):
                return improve(source, constraints, objective, decided, _WIDE)
            return decided
        if len(users) == source.users:
            break
    raise none or NoIntegralPointError(0, 0.0)


def improve(
    source: Source,
    constraints: Constraints,
    objective: Objective,
    decided: IntegralSolution,
    beside: int = 0,
) -> IntegralSolution:
    """Levels of more objective near some that keep every row, as these do.

    beside: users to move besides, 0 for some.
    """
    users, start = decided.users, decided.levels
    users, start = _with_others(source, users, start, beside or 4 * max(len(users), _SOME))
    base = users.choose(decided.weight, decided.tables)
    answer = decided.answer
    here = _movable(source, constraints, objective, answer, users, base, start)
    slack_of = partial(here.accounts.slack, constraints)
    prices, counted = np.zeros(len(constraints)), constraints.users.astype(np.float64)
    levels = local_search(here.moves, users.group_index, here.start, slack_of, prices, counted)
    if len(users) == source.users <= _TRIED:
        search_result = _best(constraints, here, prices, levels)
        levels = levels if search_result is None else search_result
    levels = _cheapest_of_equals(constraints, here, objective, levels)
    return replace(decided, users=users, base=base, levels=levels, accounts=here.accounts)


def _movable(
    source: Source,
    constraints: Constraints,
    objective: Objective,
    answer: Answer,
    users: Users,
    base: Levels,
    start: Levels,
) -> _Movable:
    """What may be moved. base: (m,) levels in `answer`. start: (m,) levels, -1 for the base's."""
    start = np.where(start < 0, base, start).astype(np.int16)
    coefficient, everyone = objective.coefficient(users), np.arange(len(users))
    useless = dominated(constraints, users, coefficient)
    useless[everyone, start] = np.isneginf(coefficient[everyone, start])
    moves = moves_of(constraints, users, np.where(useless, -np.inf, coefficient), source.units)
    return _Movable(users, base, start, Accounts(answer, users, base, source.units), moves)


def _cheapest_of_equals(
    constraints: Constraints, here: _Movable, objective: Objective, levels: Levels
) -> Levels:
    """Levels of the same worth at less cost, every row kept."""
    slack_of = partial(here.accounts.slack, constraints)
    levels = save(here.moves, here.users.cost, levels, slack_of)
    if objective.weight and bool(np.any(constraints.sign < 0)):
        levels = cheapest(here.moves, here.users.group_index, here.users.cost, levels, slack_of)
    return levels


def _feasible_equals(
    constraints: Constraints, here: _Movable, objective: Objective
) -> Levels | None:
    """Levels of the same worth as the start's that keep every row; None for none.

    A floor may ask for more moves among equals than rounding makes.
    """
    if not (objective.weight and bool(np.any(constraints.sign < 0))):
        return None
    slack_of = partial(here.accounts.slack, constraints)
    levels = cheapest(here.moves, here.users.group_index, here.users.cost, here.start, slack_of)
    return levels if np.all(slack_of(levels) >= 0.0) else None


def _pays_without_value(
    constraints: Constraints, here: _Movable, objective: Objective, levels: Levels
) -> bool:
    """Whether a floor makes somebody cost more than a level of the same value would: then users
    beside these may do with less."""
    if not (objective.weight and bool(np.any(constraints.sign < 0))):
        return False
    coefficient, cost, everyone = here.moves.coefficient, here.users.cost, np.arange(len(levels))
    equal = coefficient >= coefficient[everyone, levels][:, None]
    return bool(np.any(equal & (cost < cost[everyone, levels][:, None])))


def _best(
    constraints: Constraints, here: _Movable, prices: FloatArray, known: Levels | None
) -> Levels | None:
    """The best levels of all users, or `known` where there are too many choices."""
    few = len(here.users) <= _EXACT
    everyone = np.arange(len(here.users))
    used = np.zeros(len(constraints))
    for r in range(here.moves.row.shape[1]):
        mine = here.moves.row[:, r] >= 0
        taken = here.moves.use[everyone, here.start, r]
        np.add.at(used, here.moves.row[mine, r], taken[mine])
    slack_of = partial(here.accounts.slack, constraints)
    room = slack_of(here.start) + used
    most = _EXACT_CHOICES if few else _TRIED_CHOICES
    try:
        choices = best_levels(here.moves, here.users.cost, prices, room, known, most)
    except TooManyChoicesError:
        return known
    return next((levels for levels in choices if np.all(slack_of(levels) >= 0.0)), known)


def _with_others(source: Source, users: Users, levels: Levels, count: int) -> tuple[Users, Levels]:
    """The users and `count` others; the others' levels are -1."""
    several = Users.merge([users, source.sample(min(count, source.users))])
    _, first = np.unique(several.place, axis=0, return_index=True)
    several = several.take_rows(np.sort(first))
    known = {tuple(place): level for place, level in zip(users.place.tolist(), levels, strict=True)}
    search_result = [known.get(tuple(place), -1) for place in several.place.tolist()]
    return several, np.array(search_result, dtype=np.int16)
