"""The budgets of a period as the control loop keeps them.

`bcrlsp.allocation.Budget` may be given wherever a `Limit` may; this one needs NumPy alone.
"""

import math
from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from bcrlsp.control.money import Money
from bcrlsp.errors import DataError, UserError
from bcrlsp.group_values import by_value

Groups = Collection[Hashable] | Mapping[str, Collection[Hashable]]
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
        if not isinstance(self.name, str) or not self.name:
            raise UserError(f"a budget's name is {self.name!r}; allowed: a text that is not empty")
        good = isinstance(self.limit, int | float | np.number) and self.limit >= 0
        if not good:
            raise UserError(
                f"budget {self.name!r}: limit is {self.limit!r}; allowed: a number of at least 0"
            )
        if self.measure not in MEASURES:
            raise UserError(
                f"budget {self.name!r}: measure is {self.measure!r}; allowed here: "
                f"{', '.join(MEASURES)}"
            )
        for field in ("groups", "levels"):
            chosen = getattr(self, field)
            if isinstance(chosen, str | bytes) or (chosen is not None and len(chosen) == 0):
                raise UserError(
                    f"budget {self.name!r}: {field} is {chosen!r}; allowed: a collection with at "
                    "least one entry, or None for all"
                )
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
        return money.down(self.limit, what) if self.measure == "cost" else math.floor(self.limit)


def as_limits(budgets: Mapping[str, float] | Iterable[Any]) -> tuple[Limit, ...]:
    """Limits from {name: limit}, or from `Limit` or `Budget` objects; UserError for others."""
    if isinstance(budgets, Mapping):
        return _distinct([Limit(name, limit) for name, limit in budgets.items()])
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
        except KeyError:
            self._learn(keys)
            codes = [self._codes[key] for key in keys]
        # Read after the codes: an array with rows for all of them.
        return np.array(codes, np.intp), self._rows

    def _learn(self, keys: Iterable[Hashable]) -> None:
        with self._lock:
            for key in keys:
                if key in self._codes:
                    continue
                counted = self._counted(key)
                same = np.flatnonzero((self._rows == counted).all(axis=1))
                if not len(same):
                    self._rows = np.vstack([self._rows, counted])
                    same = np.array([len(self._rows) - 1])
                self._codes[key] = int(same[0])

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


def _columns(limits: tuple[Limit, ...]) -> tuple[str, ...] | None:
    """Columns that the budgets tell users apart by, "" for the one without a name; None: none."""
    names: set[str] = set()
    for limit in limits:
        if isinstance(limit.groups, Mapping):
            names.update(limit.groups)
        elif limit.groups is not None:
            names.add("")
    return tuple(sorted(names)) or None


def _counts(groups: Groups | None, held: Mapping[str, Hashable]) -> bool:
    if groups is None:
        return True
    if isinstance(groups, Mapping):
        return all(_among(held[name], values) for name, values in groups.items())
    return _among(held[""], groups)


def _among(value: Hashable, values: Iterable[Hashable]) -> bool:
    """Whether a user's value is one of those; a missing one is none."""
    shared = by_value(value)
    return shared is not None and any(by_value(one) == shared for one in values)


def _values(column: Any, n: int) -> list[Hashable]:
    if isinstance(column, str) and n == 1:
        return [column]
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
