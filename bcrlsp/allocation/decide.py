"""Whole levels from the search's last pass."""

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from bcrlsp.allocation.accounts import Accounts
from bcrlsp.allocation.blocks import Source, Users
from bcrlsp.allocation.objective import Objective
from bcrlsp.allocation.polish import polish
from bcrlsp.allocation.rounding import (
    NoIntegralPoint,
    largest_part,
    moves_of,
    round_levels,
)
from bcrlsp.allocation.rows import Rows
from bcrlsp.allocation.search import Found

# Users beside the core, as multiples of it, to move where the core's alone cannot keep the rows.
_EXTRA = (0, 4, 16)
_SOME = 1000


@dataclass(frozen=True)
class Decided:
    """users: m users whose level may differ from the pass's. base: (m,) the pass's levels, levels:
    (m,) theirs. Everybody else is at the pass's."""

    users: Users
    base: NDArray[np.int16]
    levels: NDArray[np.int16]
    accounts: Accounts


def decide(source: Source, rows: Rows, objective: Objective, found: Found) -> Decided:
    """One level a user, every row kept. Raises NoIntegralPoint."""
    core, unit = found.core, source.units.cost
    tables = objective.priced(rows.tables(found.centre))
    x = found.solution.x if found.feasible else np.zeros(len(core.gain))
    none: NoIntegralPoint | None = None
    for times in _EXTRA:
        users, start = core.users, largest_part(core, x)
        if times:
            users, start = _beside(source, users, start, times * max(len(users), _SOME))
        base = users.choose(objective.weight, tables)
        start = np.where(start < 0, base, start).astype(np.int16)
        accounts = Accounts(found.answer, users, base, unit)
        slack_of = partial(accounts.slack, rows)
        moves = moves_of(rows, users, objective.merit(users), unit)
        try:
            levels = round_levels(moves, start, slack_of)
        except NoIntegralPoint as now:
            none = now
            if len(users) == source.users:
                break
        else:
            counted = rows.users.astype(np.float64)
            prices = found.solution.prices
            levels = polish(moves, users.code, levels, slack_of, prices, counted)
            return Decided(users, base, levels, accounts)
    raise none or NoIntegralPoint(0, 0.0)


def _beside(
    source: Source, users: Users, levels: NDArray[np.int16], count: int
) -> tuple[Users, NDArray[np.int16]]:
    """The users and `count` others; the others' levels are -1."""
    several = Users.merge([users, source.sample(min(count, source.users))])
    _, first = np.unique(several.place, axis=0, return_index=True)
    several = several.take_rows(np.sort(first))
    known = {tuple(place): level for place, level in zip(users.place.tolist(), levels, strict=True)}
    found = [known.get(tuple(place), -1) for place in several.place.tolist()]
    return several, np.array(found, dtype=np.int16)
