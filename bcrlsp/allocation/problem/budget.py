"""What a user may ask of an allocation: budgets, and the error when they cannot be kept."""

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from bcrlsp.allocation.problem.limits import exact, text
from bcrlsp.budget_fields import Groups, as_bound, as_level_numbers, check_groups, check_name
from bcrlsp.errors import UserError


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
        check_name(self.name)
        for field in ("limit", "minimum"):
            given = getattr(self, field)
            if given is not None or field == "limit":
                object.__setattr__(self, field, as_bound(self.name, field, given))
        bounded = self.minimum is not None and self.limit != math.inf
        if bounded and exact(self.minimum) > exact(self.limit):
            raise UserError(
                f"budget {self.name!r}: minimum {self.minimum} is above limit {self.limit}; "
                "allowed: a minimum of at most the limit"
            )
        check_groups(self.name, self.groups)
        object.__setattr__(self, "levels", as_level_numbers(self.name, self.levels))
