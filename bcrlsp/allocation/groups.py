"""The group of each user, from the values that users have in the group columns.

A user whose value is None, NaN or another missing value is in no group: no budget of a group counts
that user, a budget of all users does.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bcrlsp.errors import UserError

Keys = list[tuple[Any, ...]]


def is_missing(value: Any) -> bool:
    """Whether a group value stands for no group: None, NaN, NaT or pandas' NA."""
    if value is None or type(value).__name__ == "NAType":
        return True
    return isinstance(value, float | np.floating | np.datetime64) and bool(value != value)


def index_groups(
    groups: ArrayLike | Mapping[str, ArrayLike] | None, n: int
) -> tuple[list[str], Keys, NDArray[np.int32]]:
    """Names of the group columns, the distinct keys, and each user's (n,) number among them.

    Raises UserError for a column of another length, or a value that cannot be told apart.
    """
    if groups is None:
        return [], [()], np.zeros(n, dtype=np.int32)
    named = dict(groups) if isinstance(groups, Mapping) else {"groups": groups}
    code = np.zeros(n, dtype=np.int64)
    parts = []
    for column, given in named.items():
        held = _column(column, given, n)
        values, inverse = _distinct(column, held)
        parts.append(values)
        code = code * len(values) + inverse
    present, inverse = _distinct("groups", code)
    keys = []
    for number in present:
        key = []
        for values in reversed(parts):
            number, index = divmod(number, len(values))
            key.append(values[index])
        keys.append(tuple(reversed(key)))
    return list(named), keys, inverse.astype(np.int32)


def _column(column: str, given: ArrayLike, n: int) -> NDArray[Any]:
    try:
        held = np.asarray(given)
    except ValueError:
        raise UserError(f"{column} is no list of values; allowed: one value a user") from None
    if held.dtype.kind == "U" and not hasattr(given, "dtype"):
        # NumPy writes None and numbers beside texts as texts.
        held = np.asarray(given, dtype=object)
    if held.shape != (n,):
        raise UserError(f"{column} has shape {held.shape}; allowed: ({n},), a value a user")
    return held


def _distinct(column: str, held: NDArray[Any]) -> tuple[list[Any], NDArray[np.integer]]:
    """The distinct values, in order, and each entry's place among them."""
    if held.dtype.kind in "iu" and len(held):
        low, high = int(held.min()), int(held.max())
        if high - low <= 2 * len(held):
            # Numbers that lie close together need not be sorted.
            off = (held - low).astype(np.int64)
            there = np.bincount(off, minlength=high - low + 1) > 0
            return (np.flatnonzero(there) + low).tolist(), (np.cumsum(there) - 1)[off]
    if held.dtype.kind not in "OfcmM":
        values, inverse = np.unique(held, return_inverse=True)
        return values.tolist(), inverse
    try:
        entries = [None if is_missing(value) else value for value in held.tolist()]
        # By their text: values of several types have no order of their own.
        ordered = sorted(set(entries), key=lambda value: (type(value).__name__, repr(value)))
        place = {value: index for index, value in enumerate(ordered)}
    except TypeError:
        raise UserError(
            f"{column} has a value that is no group; allowed: texts, numbers, dates or None"
        ) from None
    return ordered, np.array([place[value] for value in entries], dtype=np.int64)
