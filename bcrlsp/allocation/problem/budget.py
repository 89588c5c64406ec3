"""What a user may ask of an allocation: budgets, and the error when they cannot be kept."""

import math
from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np

from bcrlsp.allocation.problem.limits import exact, text
from bcrlsp.arrays import is_whole
from bcrlsp.errors import UserError, shown
from bcrlsp.group_values import by_value

Groups = Collection[Hashable] | Mapping[str, Collection[Hashable]]


class InfeasibleBudgetError(UserError):
    """No choice of levels keeps every budget.

    budget: name of the budget that stands in the way.
    asked: its limit or minimum. nearest: the nearest one that can be kept beside the others.
    proved: whether nothing nearer is possible, even with parts of users; else parts of users may
    come nearer, and nearest is that of the nearest whole levels that were found. Given in the
    asked one's place, nearest can be kept, unless other budgets cannot be kept either. It is of the
    asked one's type where that is Decimal or Fraction, else a float.
    """

    def __init__(
        self, budget: str, side: str, asked: Any, nearest: Any, proved: bool = True
    ) -> None:
        self.budget, self.side, self.asked, self.nearest = budget, side, asked, nearest
        self.proved = proved
        floor = side == "minimum"
        known = "possible is" if proved else "found with whole levels is"
        super().__init__(
            f"budget {budget!r} cannot be kept: its {side} is {text(asked)} and the nearest "
            f"{known} {text(nearest)}; {'lower' if floor else 'raise'} it, or loosen the "
            "budgets and the allowed levels beside it"
        )

    def __reduce__(self) -> tuple[type, tuple[Any, ...]]:
        return type(self), (self.budget, self.side, self.asked, self.nearest, self.proved)


@dataclass(frozen=True)
class Budget:
    """A bound on what the chosen levels of some users use up.

    name: unique name, the key of prices, spend and limits.
    limit: most that may be used; math.inf for a budget that is only a floor.
    groups: users it counts: group values, {column: values} where there are several columns
        (a user counts when every named column matches), or None for all users.
    levels: levels it counts, or None for all.
    measure: what a counted user uses up: "cost" (the cost of the chosen level), "count" (one), or
        any other registered measure.
    minimum: least that must be used, None for no floor.

    Raises UserError for a limit that is no number, a floor above the limit, or an empty collection.
    """

    name: str
    limit: float
    groups: Groups | None = None
    levels: Collection[int] | None = None
    measure: str = "cost"
    minimum: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise UserError(f"a budget's name is {self.name!r}; allowed: a text that is not empty")
        for field in ("limit", "minimum"):
            object.__setattr__(self, field, self._number(field, getattr(self, field)))
        bounded = self.minimum is not None and self.limit != math.inf
        if bounded and exact(self.minimum) > exact(self.limit):
            raise UserError(
                f"budget {self.name!r}: minimum {self.minimum} is above limit {self.limit}; "
                "allowed: a minimum of at most the limit"
            )
        for field in ("groups", "levels"):
            chosen = getattr(self, field)
            if chosen is not None:
                self._check_collection(field, chosen)
        if self.levels is not None:
            object.__setattr__(self, "levels", tuple(self._level(one) for one in self.levels))
        if isinstance(self.groups, Mapping):
            for column, values in self.groups.items():
                self._check_collection(f"groups[{column!r}]", values)
                self._check_values(values)
        elif self.groups is not None:
            self._check_values(self.groups)

    def _check_collection(self, field: str, chosen: Any) -> None:
        known = isinstance(chosen, Collection | np.ndarray) and not isinstance(chosen, str | bytes)
        known = known and getattr(chosen, "ndim", 1) == 1
        if not known or len(chosen) == 0:
            raise UserError(
                f"budget {self.name!r}: {field} is {chosen!r}; allowed: a collection with at "
                "least one entry, or None for all"
            )

    def _check_values(self, values: Collection[Any]) -> None:
        for value in values:
            try:
                by_value(value)
            except TypeError:
                raise UserError(
                    f"budget {self.name!r}: groups has {value!r}; allowed: texts, numbers or dates"
                ) from None

    def _level(self, level: Any) -> int:
        if is_whole(level) or (isinstance(level, float | np.floating) and level == level // 1):
            return int(level)
        raise UserError(
            f"budget {self.name!r}: levels has {level!r}; allowed: whole numbers from 0"
        )

    def _number(self, field: str, given: Any) -> Any:
        """A limit or a minimum as Python has it, but floats of few digits as they are."""
        if given is None and field == "minimum":
            return None
        number = given[()] if isinstance(given, np.ndarray) and given.ndim == 0 else given
        number = int(number) if isinstance(number, np.integer) else number
        try:
            known = isinstance(number, Real | Decimal) and not isinstance(number, bool)
            good = known and number >= 0 and (number == math.inf or float(number) < math.inf)
        except (ValueError, OverflowError, ArithmeticError):
            good = False
        if not good or (field == "minimum" and number == math.inf):
            raise UserError(
                f"budget {self.name!r}: {field} is {shown(given)}; allowed: a number of at least "
                "0 that a double can hold" + (" (math.inf for none)" if field == "limit" else "")
            )
        return number
