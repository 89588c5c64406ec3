"""The budgets of a period as the control loop keeps them.

`bcrlsp.allocation.Budget` may be given wherever a `Limit` may; this one needs NumPy alone.
"""

import math
from collections.abc import Collection, Hashable, Iterable, Mapping, Set
from dataclasses import dataclass
from threading import Lock
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from bcrlsp.budget_fields import (
    Groups,
    as_bound,
    as_level_numbers,
    check_groups,
    check_name,
    named_values,
    refuse_unlike,
)
from bcrlsp.control.money import USERS, Money
from bcrlsp.errors import DataError, UserError, shown
from bcrlsp.group_values import by_value, kind_of

GroupValues = Any
"""Groups of n users: an array (n,) of values, or {column: array (n,)}; None: there are none."""

MEASURES = ("cost", "count")


@dataclass(frozen=True)
class Limit:
    """A budget: the most that the bonuses of some users may use up.

    name: unique name. limit: money, or a number of users; math.inf bounds nothing.
    groups: group values that it counts, {column: values} where users have several columns, or None
        for all users. levels: levels that it counts, or None for all above 0.
    measure: "cost" (face value until redeemed, then what was redeemed) or "count" (one a bonus).
    Raises UserError where it makes no sense.
    """

    name: str
    limit: float
    groups: Groups | None = None
    levels: Collection[int] | None = None
    measure: str = "cost"

    def __post_init__(self) -> None:
        check_name(self.name)
        object.__setattr__(self, "limit", as_bound(self.name, "limit", self.limit))
        if self.measure not in MEASURES:
            raise UserError(
                f"budget {self.name!r}: measure is {self.measure!r}; allowed here: "
                f"{', '.join(MEASURES)}"
            )
        check_groups(self.name, self.groups)
        for column, values in columns_of(self.groups).items():
            named_values(self.name, column or "groups", values)
        object.__setattr__(self, "levels", as_level_numbers(self.name, self.levels))
        if self.levels is not None and min(self.levels) < 1:
            raise UserError(
                f"budget {self.name!r} counts level {min(self.levels)}; allowed: levels above 0, "
                "for sending nothing is always possible"
            )

    def units(self, money: Money) -> int | None:
        """The limit in whole units (users for a count), rounded down; None where it is infinite."""
        if math.isinf(self.limit):
            return None
        what = f"the limit of budget {self.name!r}"
        return (money if self.measure == "cost" else USERS).down(self.limit, what)


def as_limits(budgets: Mapping[str, float] | Iterable[Any]) -> tuple[Limit, ...]:
    """Limits from {name: limit}, or from `Limit` or `Budget` objects; UserError for others."""
    if isinstance(budgets, Mapping):
        return _distinct([Limit(name, limit) for name, limit in budgets.items()])
    if isinstance(budgets, str | bytes) or not isinstance(budgets, Iterable):
        raise UserError(
            f"budgets are {shown(budgets)}; allowed: a list of Limit or Budget, or {{name: limit}}"
        )
    return _distinct([_as_limit(budget) for budget in budgets])


def _as_limit(budget: Any) -> Limit:
    if isinstance(budget, Limit):
        return budget
    if not hasattr(budget, "name") or not hasattr(budget, "limit"):
        raise UserError(f"a budget is {budget!r}; allowed: Limit, Budget, or {{name: limit}}")
    if getattr(budget, "minimum", None):
        raise UserError(
            f"budget {budget.name!r} has a minimum of {budget.minimum}; allowed here: limits "
            "alone, for nobody knows who is still to come"
        )
    return Limit(
        budget.name,
        budget.limit,
        getattr(budget, "groups", None),
        getattr(budget, "levels", None),
        getattr(budget, "measure", "cost"),
    )


def _distinct(limits: list[Limit]) -> tuple[Limit, ...]:
    names = [limit.name for limit in limits]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(f"budget {twice[0]!r} is given twice; give each budget its own name")
    return tuple(limits)


class Membership:
    """Which budgets count which users, and what a level uses up of each.

    limits: the budgets, in order. faces: (a,) int, units, face value of each level.
    charges: (k, a) int64, what a bonus of each level takes of each budget where it counts the user.
    """

    def __init__(self, limits: tuple[Limit, ...], faces: NDArray[np.int64]) -> None:
        self.limits = limits
        self.charges = np.zeros((len(limits), len(faces)), np.int64)
        for row, limit in zip(self.charges, limits, strict=True):
            levels = range(1, len(faces)) if limit.levels is None else limit.levels
            if max(levels, default=0) >= len(faces):
                raise UserError(
                    f"budget {limit.name!r} counts level {max(levels)}; allowed: 1 to "
                    f"{len(faces) - 1}"
                )
            for level in levels:
                row[level] = faces[level] if limit.measure == "cost" else 1
        self._columns = _columns(limits)
        self._codes: dict[Any, int] = {}
        self._held: dict[str, set[Hashable]] = {column: set() for column in self._columns or ()}
        self._rows: NDArray[np.bool_] = np.empty((0, len(limits)), bool)
        self._lock = Lock()

    def code(self, groups: GroupValues, n: int) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """Users by the budgets that count them: (codes (n,), counted (g, k) bool by code).

        groups: see `GroupValues`. Raises DataError where budgets need groups that are not given.
        """
        if self._columns is None:
            return np.zeros(n, np.intp), np.ones((1, len(self.limits)), bool)
        keys = self._keys(groups, n)
        try:
            codes = [self._codes[key] for key in keys]
        except (KeyError, TypeError):
            self._learn(keys)
            codes = [self._codes[key] for key in keys]
        # Read after the codes: an array with rows for all of them.
        return np.array(codes, np.intp), self._rows

    def _learn(self, keys: Iterable[Hashable]) -> None:
        with self._lock:
            self._check(keys)
            for key in keys:
                if key in self._codes:
                    continue
                counted = self._counted(key)
                same = np.flatnonzero((self._rows == counted).all(axis=1))
                if not len(same):
                    self._rows = np.vstack([self._rows, counted])
                    same = np.array([len(self._rows) - 1])
                self._codes[key] = int(same[0])

    def _check(self, keys: Iterable[Any]) -> None:
        """UserError where the users seen so far show that a budget counts nobody by mistake.

        A group that nobody is in yet is none: its users may still come.
        """
        names = cast("tuple[str, ...]", self._columns)
        new = [key if len(names) > 1 else (key,) for key in _once(keys)]
        for place, column in enumerate(names):
            held = self._held[column] | {by_value(key[place]) for key in new} - {None}
            kinds = {kind_of(value) for value in held}
            for limit in self.limits if held > self._held[column] else ():
                wanted = columns_of(limit.groups).get(column)
                if wanted is None:
                    continue
                named = named_values(limit.name, column or "groups", wanted)
                alone = not kinds & {kind_of(value) for value in named}
                for value in set(named) - held:
                    refuse_unlike(limit.name, column or "groups", named[value], held, alone)
            self._held[column] = held

    def _keys(self, groups: GroupValues, n: int) -> list[Hashable]:
        names = cast("tuple[str, ...]", self._columns)
        needing = next(limit.name for limit in self.limits if limit.groups is not None)
        if groups is None:
            raise DataError(f"budget {needing!r} counts groups of users; give their groups")
        if isinstance(groups, Mapping):
            missing = [name for name in names if name and name not in groups]
            if missing or not all(names):
                raise DataError(
                    f"groups have the columns {', '.join(groups)}; budget {needing!r} needs "
                    f"{', '.join(missing) or 'one array of values'}"
                )
            columns = [_values(groups[name], n) for name in names]
        elif names == ("",):
            columns = [_values(groups, n)]
        else:
            raise DataError(
                f"groups are one array; budget {needing!r} needs the columns "
                f"{', '.join(filter(None, names))}: give {{column: values}}"
            )
        return columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))

    def _counted(self, key: Any) -> NDArray[np.bool_]:
        names = cast("tuple[str, ...]", self._columns)
        held = dict(zip(names, (key,) if len(names) == 1 else key, strict=True))
        return np.array([_counts(limit.groups, held) for limit in self.limits], bool)


def columns_of(groups: Groups | None) -> dict[str, Collection[Hashable]]:
    """Named values by column, "" for the one without a name."""
    if isinstance(groups, Mapping):
        return dict(groups)
    return {} if groups is None else {"": groups}


def _columns(limits: tuple[Limit, ...]) -> tuple[str, ...] | None:
    """Columns that the budgets tell users apart by; None: none."""
    return tuple(sorted({name for each in limits for name in columns_of(each.groups)})) or None


def _counts(groups: Groups | None, held: Mapping[str, Hashable]) -> bool:
    return all(_among(held[name], values) for name, values in columns_of(groups).items())


def _once(keys: Iterable[Any]) -> dict[Any, None]:
    """Keys of users, each once. Raises DataError for values that cannot be compared."""
    try:
        return dict.fromkeys(keys)
    except TypeError:
        raise DataError("groups hold a list or a table; allowed: texts, numbers or dates") from None


def _among(value: Hashable, values: Iterable[Hashable]) -> bool:
    """Whether a user's value is one of those; a missing one is none."""
    shared = by_value(value)
    return shared is not None and any(by_value(one) == shared for one in values)


def _values(column: Any, n: int) -> list[Hashable]:
    if isinstance(column, str) and n == 1:
        return [column]
    listed = isinstance(column, Iterable) and not isinstance(column, str | bytes | Set)
    if not listed or getattr(column, "ndim", 1) != 1:
        raise DataError(f"groups are {shown(column)}; allowed: a list of values, one a user")
    kind = getattr(column, "dtype", None)
    # Times finer than Python's and short floats are told apart as they are held.
    own = isinstance(kind, np.dtype) and (kind.kind in "mM" or kind in (np.float16, np.float32))
    plain = hasattr(column, "tolist") and not own
    values: list[Hashable] = (
        column.tolist() if plain else list(np.asarray(column) if own else column)
    )
    if len(values) != n:
        raise DataError(f"groups are of {len(values)} users and states of {n}; give one a user")
    return values
