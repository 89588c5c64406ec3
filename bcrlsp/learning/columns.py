"""Columns of trajectories as arrays; a mistake is one line with the column's name."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bcrlsp.arrays import as_numbers, as_propensities, as_states
from bcrlsp.errors import DataError


def ids_of(column: pa.Array) -> pa.Array:
    """The column of user ids; of categories, their values: each batch may number them anew."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_string_view(column.type):
        column = column.cast(pa.string())
    if pa.types.is_nested(column.type):
        raise DataError(f"user_id is {column.type} in the trajectories; allowed: texts or numbers")
    return column


def instants_of(column: pa.Array, name: str) -> NDArray[np.integer] | None:
    """Whole numbers in the order of the periods; None where the rows do not hold them."""
    if column.null_count:
        return None
    if pa.types.is_date32(column.type):
        return np.asarray(column.view(pa.int32()).to_numpy())
    try:
        return np.asarray(column.cast(pa.timestamp("us")).cast(pa.int64()).to_numpy())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise DataError(
            f"{name} is {column.type} in the trajectories; allowed: dates or timestamps"
        ) from None


def numbers_of(batch: pa.RecordBatch, name: str) -> NDArray[Any]:
    """A column as NumPy; only a propensity may be null (NaN)."""
    column = batch.column(name)
    if column.null_count and name != "propensity":
        raise DataError(f"{name} is null in a trajectory; rebuild the trajectories")
    numbers: NDArray[Any] = column.to_numpy(zero_copy_only=False)
    if name in ("reward", "cost"):
        numbers = read_as(as_numbers, numbers, name)
        with np.errstate(over="ignore"):
            small = numbers.astype(np.float32)
        if not np.isfinite(small).all():
            wrong = numbers[(~np.isfinite(small)).argmax()]
            raise DataError(
                f"{name} is not finite in a trajectory: {wrong}; allowed: finite numbers that "
                "float32 holds; rebuild the trajectories"
            )
        return small
    if name == "propensity":
        return read_as(
            as_propensities, numbers, name
        )  # nulls are None or NaN by now: both become NaN
    return numbers


def read_as(
    check: Callable[[NDArray[Any], str], NDArray[Any]], numbers: NDArray[Any], name: str
) -> NDArray[Any]:
    """A checked column; of a mistake its row is left out, which is one of the batch."""
    try:
        return check(numbers, name)
    except DataError as error:
        said = re.sub(r"^(\w+) is (\S+) in row [\d, ]+;", r"\1 \2 was logged;", str(error))
        raise DataError(f"{said}: mend the rows and rebuild the trajectories") from None


def matrix_of(column: pa.Array, name: str, width: int) -> NDArray[np.float32]:
    """A list column as a matrix of `width` columns; 0: as wide as its first row."""
    if pa.types.is_fixed_size_list(column.type):
        column = column.cast(pa.list_(column.type.value_type))
    if not pa.types.is_list(column.type) and not pa.types.is_large_list(column.type):
        raise DataError(f"{name} is {column.type} in the trajectories; allowed: lists of numbers")
    widths = np.diff(np.asarray(column.offsets))
    width = width or int(widths[0])
    flat = column.flatten()
    if column.null_count or flat.null_count:
        raise DataError(f"{name} is null in a trajectory; rebuild the trajectories")
    if not width:
        raise DataError(f"{name} is empty in a trajectory; give at least one number")
    if (widths != width).any():
        other = int(widths[(widths != width).argmax()])
        raise DataError(
            f"{name} has {other} entries in one row and {width} in others; rebuild all periods "
            "with one feature set"
        )
    return as_states(flat.to_numpy(zero_copy_only=False), name).reshape(-1, width)
