"""What a user may ask of an allocation: budgets, and the error when they cannot be kept."""

import math
from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bcrlsp.allocation.limits import text
from bcrlsp.errors import UserError

Groups = Collection[Hashable] | Mapping[str, Collection[Hashable]]


class InfeasibleBudgetError(UserError):
    """No choice of levels keeps every budget.

    budget: name of the budget that stands in the way.
    asked: its limit or minimum. nearest: the nearest one that can be kept beside the others.
    proved: whether nothing nearer is possible, even with parts of users; else parts of users may
    come nearer, and nearest is that of the nearest whole levels that were found. Given in the
    asked one's place, nearest can be kept, unless other budgets cannot be kept either.
    """

    def __init__(
        self, budget: str, side: str, asked: float, nearest: float, proved: bool = True
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
            self._check_number(field, getattr(self, field))
        if self.minimum is not None and self.minimum > self.limit:
            raise UserError(
                f"budget {self.name!r}: minimum {self.minimum} is above limit {self.limit}; "
                "allowed: a minimum of at most the limit"
            )
        for field in ("groups", "levels"):
            chosen = getattr(self, field)
            if chosen is not None:
                self._check_collection(field, chosen)
        if isinstance(self.groups, Mapping):
            for column, values in self.groups.items():
                self._check_collection(f"groups[{column!r}]", values)

    def _check_collection(self, field: str, chosen: Any) -> None:
        known = isinstance(chosen, Collection | np.ndarray) and not isinstance(chosen, str | bytes)
        if not known or len(chosen) == 0:
            raise UserError(
                f"budget {self.name!r}: {field} is {chosen!r}; allowed: a collection with at "
                "least one entry, or None for all"
            )

    def _check_number(self, field: str, number: float | None) -> None:
        if number is None and field == "minimum":
            return
        try:
            good = number is not None and not math.isnan(number) and number >= 0
        except TypeError:
            good = False
        if not good or (field == "minimum" and number == math.inf):
            raise UserError(
                f"budget {self.name!r}: {field} is {number!r}; allowed: a number of at least 0"
                + (" (math.inf for none)" if field == "limit" else "")
            )
