"""Fields of a budget, of an allocation's and of the control loop's alike: read or refused.

Each function raises a `UserError` of one line that names the budget and the field.
"""

import math
from collections.abc import Collection, Hashable, Mapping
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np

from bcrlsp.arrays import is_whole
from bcrlsp.errors import UserError, shown
from bcrlsp.group_values import by_value, is_missing, kind_of, look_alike

Groups = Collection[Hashable] | Mapping[str, Collection[Hashable]]


def check_name(name: Any) -> None:
    """A budget's name is a text."""
    if not isinstance(name, str) or not name:
        raise UserError(f"a budget's name is {name!r}; allowed: a text that is not empty")


def as_bound(budget: str, field: str, given: Any) -> Any:
    """A limit or a minimum as Python has it, but floats of few digits as they are."""
    number = given[()] if isinstance(given, np.ndarray) and given.ndim == 0 else given
    number = int(number) if isinstance(number, np.integer) else number
    try:
        known = isinstance(number, Real | Decimal) and not isinstance(number, bool)
        good = known and number >= 0 and (number == math.inf or float(number) < math.inf)
    except (ValueError, OverflowError, ArithmeticError):
        good = False
    if not good or (field == "minimum" and number == math.inf):
        raise UserError(
            f"budget {budget!r}: {field} is {shown(given)}; allowed: a number of at least "
            "0 that a double can hold" + (" (math.inf for none)" if field == "limit" else "")
        )
    return number


def as_level_numbers(budget: str, levels: Any) -> tuple[int, ...] | None:
    """The levels that a budget counts; None for all."""
    if levels is None:
        return None
    _check_collection(budget, "levels", levels)
    return tuple(_level(budget, one) for one in levels)


def check_groups(budget: str, groups: Any) -> None:
    """Groups are values, or {column: values}; None for all users."""
    if groups is None:
        return
    _check_collection(budget, "groups", groups)
    if isinstance(groups, Mapping):
        for column, values in groups.items():
            _check_collection(budget, f"groups[{column!r}]", values)
            _check_values(budget, values)
    else:
        _check_values(budget, groups)


def named_values(budget: str, column: str, values: Collection[Any]) -> dict[Hashable, Any]:
    """The group values that a budget names in a column, by what equal values share."""
    if any(is_missing(value) for value in values):
        raise UserError(
            f"budget {budget!r} names group None; a user without a value in {column} is "
            "in no group: name the groups to count, or give such users a group"
        )
    return {by_value(value): value for value in values}


def refuse_unlike(budget: str, column: str, given: Any, held: set[Any], alone: bool) -> None:
    """UserError where users' values show that none of them can ever be in a named group.

    given: the named value, which no user has. held: what users have, by `by_value`, without
    missing ones. alone: whether values of other kinds than theirs cannot be meant.
    """
    value = by_value(given)
    other = look_alike(value, sorted(held, key=repr))
    if other is None and alone and held and kind_of(value) not in {kind_of(one) for one in held}:
        other = min(held, key=repr)
    if other is not None:
        raise UserError(
            f"budget {budget!r} names group {_written(given)}, which no user can have: "
            f"{column} holds {_written(other)}; give values of that type, as they are held"
        )


def _check_collection(budget: str, field: str, chosen: Any) -> None:
    known = isinstance(chosen, Collection | np.ndarray) and not isinstance(chosen, str | bytes)
    known = known and getattr(chosen, "ndim", 1) == 1
    if not known or len(chosen) == 0:
        raise UserError(
            f"budget {budget!r}: {field} is {shown(chosen)}; allowed: a collection with at "
            "least one entry, or None for all"
        )


def _check_values(budget: str, values: Collection[Any]) -> None:
    for value in values:
        try:
            by_value(value)
        except TypeError:
            raise UserError(
                f"budget {budget!r}: groups has {shown(value)}; allowed: texts, numbers or dates"
            ) from None


def _level(budget: str, level: Any) -> int:
    if is_whole(level) or (isinstance(level, float | np.floating) and level == level // 1):
        return int(level)
    raise UserError(f"budget {budget!r}: levels has {shown(level)}; allowed: whole numbers from 0")


def _written(value: Any) -> str:
    return f"{value!r} ({type(value).__name__}, a {kind_of(by_value(value))})"
