"""Arrays that a caller gives, as the code reads them: nothing is rounded, cut or guessed.

Each function returns the array in the type that is computed with, or raises a `DataError` that
names the entry, its value and what is allowed.
"""

from decimal import Decimal
from numbers import Real
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bcrlsp.errors import DataError

MOST_LEVELS = 128
"""A level is a number of 8 bits."""

_LARGEST = float(np.finfo(np.float32).max)


def as_states(states: ArrayLike, name: str = "states") -> NDArray[np.float32]:
    """Numbers as float32, in the shape that they have; an array of float32 is returned as it is.

    Finite numbers beyond float32 become its largest. NaN and infinity stay what they are: whoever
    knows the columns' names refuses them.
    """
    if _plain(states) and states.dtype == np.float32:
        return states
    held = _numbers(states, name)
    if held.dtype.kind == "f" and held.dtype.itemsize > 4:
        held = np.where(np.isfinite(held), np.clip(held, -_LARGEST, _LARGEST), held)
    return held.astype(np.float32)


def as_levels(levels: ArrayLike, name: str = "level") -> NDArray[np.int8]:
    """Bonus levels as int8: whole numbers from 0 to 127; 2.0 is 2, and 1.7 is refused."""
    held = whole(levels, name)
    _refuse((held < 0) | (held >= MOST_LEVELS), held, name, f"0 to {MOST_LEVELS - 1}")
    return held.astype(np.int8, copy=False)


def whole(numbers: ArrayLike, name: str) -> NDArray[Any]:
    """Numbers that are whole, of any type but bool: as they are, or from float as int64."""
    held = _numbers(numbers, name, but="b")
    if held.dtype.kind == "f":
        with np.errstate(invalid="ignore", over="ignore"):  # 2**53 is infinite as float16
            odd = ~(np.abs(held) < 2**53) | (held != np.floor(held))
        _refuse(odd, held, name, "whole numbers")
        return held.astype(np.int64)
    return held


def counts(numbers: ArrayLike, name: str) -> NDArray[Any]:
    """Whole numbers, none below 0; see `whole`."""
    held = whole(numbers, name)
    if held.dtype.kind != "u":
        _refuse(held < 0, held, name, "0 or more")
    return held


def as_numbers(numbers: ArrayLike, name: str) -> NDArray[np.float64]:
    """Numbers of any numeric type as float64; NaN and infinity are the caller's to judge."""
    return _numbers(numbers, name).astype(np.float64, copy=False)


def as_flags(flags: ArrayLike, name: str) -> NDArray[np.bool_]:
    """Truth values: bool, or numbers that are 0 or 1."""
    if _plain(flags) and flags.dtype == bool:
        return flags
    held = _numbers(flags, name)
    _refuse((held != 0) & (held != 1), held, name, "true and false, or 0 and 1")
    return held.astype(bool)


def as_amounts(
    numbers: ArrayLike, name: str, *, low: float = -np.inf, high: float = np.inf
) -> NDArray[np.float32]:
    """Finite numbers from `low` to `high` as float32."""
    held = _numbers(numbers, name)
    with np.errstate(over="ignore"):
        small = held.astype(np.float32, copy=False)
    span = "finite numbers that float32 holds"
    if (low, high) != (-np.inf, np.inf):
        span += f", from {low:g}" + (f" to {high:g}" if high < np.inf else "")
    _refuse(~(np.isfinite(small) & (small >= low) & (small <= high)), held, name, span)
    return small


def as_propensities(numbers: ArrayLike, name: str = "propensity") -> NDArray[np.float32]:
    """Probabilities as float32, above 0 and at most 1 (but for rounding); NaN is unknown."""
    held = _numbers(numbers, name)
    small = held.astype(np.float32)
    known = ~np.isnan(small)
    rounded = known & (small > 1) & (small <= 1 + 1e-6)
    small[rounded] = 1.0
    _refuse(known & ~((small > 0) & (small <= 1)), held, name, "above 0, up to 1; NaN: unknown")
    return small


def is_whole(number: Any) -> bool:
    """Whether this is one whole number, of any integer type but bool."""
    return isinstance(number, int | np.integer) and not isinstance(number, bool)


def is_number(number: Any) -> bool:
    """Whether this is one finite number that a double can hold; True is none."""
    try:
        known = isinstance(number, Real | Decimal) and not isinstance(number, bool | np.bool_)
        return known and bool(abs(float(number)) < np.inf)
    except (ValueError, OverflowError, ArithmeticError):
        return False


def has_text(held: NDArray[Any]) -> bool:
    """Whether an array of objects holds a text, which NumPy would read as a number."""
    return any(issubclass(kind, str | bytes) for kind in set(map(type, held.ravel().tolist())))


def _plain(given: ArrayLike) -> TypeGuard[NDArray[Any]]:
    """An array without a mask, in memory or in a file."""
    return isinstance(given, np.ndarray) and not isinstance(given, np.ma.MaskedArray)


def _numbers(given: ArrayLike, name: str, but: str = "") -> NDArray[Any]:
    """An array of a numeric type; `but`: kinds of NumPy types that are refused besides."""
    if np.ma.is_masked(given):
        raise DataError(f"{name} has masked entries; give numbers alone")
    try:
        held = np.asarray(given)
        if held.dtype.kind == "O":
            if has_text(held):
                raise DataError(f"{name} holds text; allowed: numbers")
            held = held.astype(np.float64)
    except DataError:
        raise
    except (TypeError, ValueError, OverflowError):
        raise DataError(f"{name} is not an array of numbers; give numbers alone") from None
    if held.dtype.kind not in "biuf" or held.dtype.kind in but:
        raise DataError(f"{name} is an array of {held.dtype}; allowed: numbers")
    return held


def _refuse(wrong: NDArray[np.bool_], held: NDArray[Any], name: str, allowed: str) -> None:
    """DataError with the first wrong entry and its place."""
    if not wrong.any():
        return
    place = np.unravel_index(int(wrong.argmax()), wrong.shape)
    row = ", ".join(str(int(index)) for index in place)
    raise DataError(f"{name} is {held[place]} in row {row}; allowed: {allowed}")
