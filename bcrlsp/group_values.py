"""Values that tell users apart, such as their town: equal ones are one, whatever type holds them.

A date, its midnight and either as NumPy or pandas hold them are one value. So are numbers of all
types, those of single precision as the shortest decimals that they stand for.
"""

from collections.abc import Hashable, Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from numbers import Integral, Number
from typing import Any

import numpy as np

_TICK = np.timedelta64(1, "us")
# Parts of a number that a pass through single precision may change.
_NEAR = 2.0**-22
_WHOLE = 2**53


def is_missing(value: Any) -> bool:
    """Whether a value stands for none: None, NaN, NaT or pandas' NA."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    if isinstance(value, Decimal):
        return value.is_nan()
    kinds = float | np.floating | np.datetime64 | np.timedelta64
    return isinstance(value, kinds) and bool(value != value)  # noqa: PLR0124 (NaN)


def by_value(value: Any) -> Hashable:
    """What equal values share: None for a missing one. Raises TypeError for what has no hash."""
    if is_missing(value):
        return None
    if isinstance(value, np.datetime64 | np.timedelta64):
        return _of_numpy(value)
    if isinstance(value, np.floating) and not isinstance(value, float):
        return float(str(value))
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Decimal | Fraction):
        return _of_decimal(value)
    if getattr(value, "nanosecond", 0) or getattr(value, "nanoseconds", 0):
        # A pandas time finer than Python's.
        plain = getattr(value, "tzinfo", None) is None
        return _of_numpy(value.to_numpy()) if plain else _hashed(value)
    if hasattr(value, "to_pydatetime"):
        value = value.to_pydatetime()
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day)
    return _hashed(value)


def kind_of(value: Hashable) -> str:
    """What a value of `by_value` is, in words: values of two kinds are never equal."""
    if isinstance(value, str):
        return "text"
    if isinstance(value, Number):
        return "number"
    if isinstance(value, datetime):
        return "time" if value.tzinfo is None else "time with a zone"
    if isinstance(value, np.datetime64):
        return "time"
    return "duration" if isinstance(value, timedelta | np.timedelta64) else type(value).__name__


def look_alike(value: Hashable, held: Iterable[Hashable]) -> Hashable:
    """Of some other values one that a user may mean by `value`, None for none: of the same text,
    or a number that differs by less than single precision shows."""
    return next((one for one in held if one is not None and _alike(value, one)), None)


def _alike(value: Any, other: Any) -> bool:
    if str(value) == str(other):
        return True
    if not (kind_of(value) == kind_of(other) == "number"):
        return False
    exact = isinstance(value, int) and isinstance(other, int)
    try:
        one, two = Fraction(value), Fraction(other)
    except (TypeError, ValueError, OverflowError):
        return False
    size = max(abs(one), abs(two))
    whole = one.denominator == two.denominator == 1 and size < _WHOLE
    return not (exact or whole) and abs(one - two) <= _NEAR * size


def _of_numpy(value: np.datetime64 | np.timedelta64) -> Hashable:
    """A NumPy time as Python's, which holds microseconds; finer ones and far ones as they are."""
    unit = "datetime64[us]" if isinstance(value, np.datetime64) else "timedelta64[us]"
    coarse: Any = value.astype(unit)
    held = coarse.item()
    if coarse == value and isinstance(held, datetime | timedelta):
        return held
    finest: Any = value.astype(unit.replace("us", "ns"))
    return finest if finest == value else value


def _of_decimal(value: Decimal | Fraction) -> Hashable:
    """An exact number as the whole number or the float that it is written as, where it is one."""
    exact: Any = Fraction(value) if not isinstance(value, Decimal) or value.is_finite() else value
    if not isinstance(exact, Fraction):
        return float(exact)
    if exact.denominator == 1:
        return exact.numerator
    try:
        near = float(exact)
    except OverflowError:
        return exact
    return near if Fraction(repr(near)) == exact else exact


def _hashed(value: Any) -> Hashable:
    hash(value)
    found: Hashable = int(value) if isinstance(value, Integral) else value
    return found
