"""The group of each user, from the values that users have in the group columns.

A user whose value is None, NaN or another missing value is in no group: no budget of a group counts
that user, a budget of all users does.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bcrlsp.errors import UserError
from bcrlsp.group_values import by_value

Keys = list[tuple[Any, ...]]


def index_groups(
    groups: ArrayLike | Mapping[str, ArrayLike] | None, n: int
) -> tuple[list[str], Keys, NDArray[np.int32]]:
    """Names of the group columns, the distinct keys, and each user's (n,) number among them.

    Raises UserError for a column of another length, or a value that cannot be told apart.
    """
    if groups is None:
        return [], [()], np.zeros(n, dtype=np.int32)
    named = dict(groups) if isinstance(groups, Mapping) else {"groups": groups}
    column_values = [
        _distinct(column, _column(column, given, n)) for column, given in named.items()
    ]
    keys, inverse = combine(
        [values for values, _ in column_values], [index for _, index in column_values], n
    )
    return list(named), keys, inverse


def combine(
    parts: list[list[Any]], indices: list[NDArray[np.integer]], n: int
) -> tuple[Keys, NDArray[np.int32]]:
    """The keys that occur, and each user's (n,) number among them.

    parts: distinct values of each column. indices: (n,) each user's place among them.
    """
    group_index = np.zeros(n, dtype=np.int64)
    for values, index in zip(parts, indices, strict=True):
        group_index = group_index * len(values) + index
    present, inverse = _numbered(group_index)
    keys = []
    for combination in present:
        key, number = [], combination
        for values in reversed(parts):
            number, place = divmod(number, len(values))
            key.append(values[place])
        keys.append(tuple(reversed(key)))
    return keys, inverse.astype(np.int32)


def merge_equal(values: list[Any]) -> tuple[list[Any], NDArray[np.int64]]:
    """The distinct values in order, as `by_value` has them, and the place of each given one.

    Raises TypeError for a value that has no hash.
    """
    entries = [by_value(value) for value in values]
    # By their text: values of several types have no order of their own.
    ordered = sorted(set(entries), key=lambda value: (type(value).__name__, repr(value)))
    place = {value: index for index, value in enumerate(ordered)}
    return ordered, np.array([place[value] for value in entries], dtype=np.int64)


def _column(column: str, given: ArrayLike, n: int) -> NDArray[Any]:
    if np.ma.is_masked(given):
        raise UserError(f"{column} has masked entries; give None for a user in no group")
    try:
        column_values = np.asarray(given)
        if column_values.dtype.kind not in "biuO" and not hasattr(given, "dtype"):
            # NumPy writes None and numbers beside texts as texts, and whole numbers as floats.
            column_values = np.asarray(given, dtype=object)
    except (TypeError, ValueError, OverflowError):
        raise UserError(f"{column} is no list of values; allowed: one value a user") from None
    if column_values.shape != (n,):
        raise UserError(
            f"{column} has shape {column_values.shape}; allowed: ({n},), a value a user"
        )
    return column_values


def _numbered(column_values: NDArray[np.integer]) -> tuple[list[int], NDArray[np.integer]]:
    """The distinct numbers, in order, and each entry's place among them."""
    low, high = (
        (int(column_values.min()), int(column_values.max())) if len(column_values) else (0, 0)
    )
    if high - low <= 2 * len(column_values):
        # Numbers that lie close together need not be sorted.
        off = (column_values - low).astype(np.int64)
        there = np.bincount(off, minlength=high - low + 1) > 0
        return (np.flatnonzero(there) + low).tolist(), (np.cumsum(there) - 1)[off]
    values, inverse = np.unique(column_values, return_inverse=True)
    return values.tolist(), inverse


def _distinct(column: str, column_values: NDArray[Any]) -> tuple[list[Any], NDArray[np.integer]]:
    """The distinct values, in order, and each entry's place among them."""
    if column_values.dtype.kind in "iu":
        return _numbered(column_values)
    try:
        if column_values.dtype.kind != "O":
            distinct_values, inverse = np.unique(column_values, return_inverse=True)
            several = list(distinct_values)
        else:
            place: dict[Any, int] = {}
            entries = column_values.tolist()
            inverse = np.array([place.setdefault(value, len(place)) for value in entries])
            several = list(place)
        values, merged = merge_equal(several)
    except TypeError:
        raise UserError(
            f"{column} has a value that is no group; allowed: texts, numbers, dates or None"
        ) from None
    return values, merged[inverse.astype(np.int64)]
