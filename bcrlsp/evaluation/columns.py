"""Columns of a table of trajectories as arrays; a mistake is named with its row and user."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bcrlsp.errors import DataError
from bcrlsp.evaluation.log import Bools, Floats, Ints


class Columns:
    """Arrays in the table's own order. Every method raises DataError for what it cannot read."""

    def __init__(self, table: pa.Table) -> None:
        names = table.column_names
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise DataError(f"trajectories have the column {twice[0]!r} twice; give each name once")
        self._table = table

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def has(self, name: str) -> bool:
        """Whether there is such a column."""
        return name in self._table.column_names

    def need(self, *names: str) -> None:
        """All these columns must be there."""
        for name in names:
            if not self.has(name):
                raise DataError(
                    f"trajectories have no column {name!r}; they have: "
                    f"{', '.join(self._table.column_names)}"
                )

    def place(self, row: int) -> str:
        """The row as a message names it."""
        user, period = self._table["user_id"][int(row)], self._table["period"][int(row)]
        return f"row {int(row)} (user {user.as_py()}, period {period.as_py()})"

    def fail(self, bad: Bools, what: str, values: Any, allowed: str) -> None:
        """Raises for the first row where `bad` is true; values: one a row, to be shown."""
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            value = values[row].tolist() if isinstance(values, np.ndarray) else values[row]
            raise DataError(
                f"trajectories: {what} is {value} in {self.place(row)}; allowed: {allowed}"
                f" ({int(bad.sum())} such rows)"
            )

    def numbers(self, name: str, nulls: bool = False) -> Floats:
        """A numeric column, array (N,); nulls become nan where they may be there."""
        cast = cast_column(name, self._table[name], pa.float64(), "numbers that a double can hold")
        values = np.asarray(cast.to_numpy(), dtype=np.float64)
        if not nulls:
            self.fail(~np.isfinite(values), name, values, "a finite number")
        return values

    def whole(self, name: str) -> Ints:
        """A column of whole numbers, array (N,)."""
        values = self.numbers(name)
        odd = (values != np.floor(values)) | (np.abs(values) >= 2**53)
        self.fail(odd, name, values, "a whole number of at most 2^53")
        return values.astype(np.int64)

    def flags(self, name: str) -> Bools:
        """A boolean column, array (N,); null is false."""
        cast = cast_column(name, self._table[name], pa.bool_(), "true or false")
        filled = pc.fill_null(cast, False)
        return np.asarray(filled.to_numpy(), dtype=np.bool_)

    def instants(self) -> Ints:
        """Start of each row's period in microseconds since 1970, array (N,).

        The column period_start where there is one: periods may be shorter than the date tells.
        """
        name = "period_start" if self.has("period_start") else "period"
        column = self._table[name]
        if column.null_count:
            raise DataError(f"trajectories: {name} is null in {column.null_count} rows; fill it")
        cast = cast_column(
            name, column, pa.timestamp("us"), "dates, or timestamps of whole microseconds"
        )
        return np.asarray(cast.cast(pa.int64()).to_numpy(), dtype=np.int64)

    def matrix(self, name: str) -> Floats:
        """A column of lists of numbers, all of one length, array (N, width); may hold nan."""
        column = self._table[name].combine_chunks()
        if not pa.types.is_list(column.type) and not pa.types.is_fixed_size_list(column.type):
            raise DataError(f"trajectories: column {name!r} is {column.type}; allowed: a list")
        sizes = np.asarray(pc.fill_null(pc.list_value_length(column), -1).to_numpy(False))
        width = int(np.bincount(np.maximum(sizes, 0)).argmax())
        self.fail(sizes != width, f"length of the {name}", sizes, f"{width} (null counts as -1)")
        if width < 1:
            raise DataError(f"trajectories: every {name} is empty; give at least one number")
        flat = cast_column(name, pc.list_flatten(column), pa.float64(), "lists of numbers")
        return np.asarray(flat.to_numpy(False), dtype=np.float64).reshape(len(sizes), width)

    def states(self) -> Floats:
        """The states, array (N, d); all finite."""
        values = self.matrix("state")
        bad = ~np.isfinite(values)
        self.fail(
            np.asarray(bad.any(axis=1)),
            "the first feature of the state that is nan or infinite",
            bad.argmax(1),
            "none; is, pdis, snis and snpdis need no state where propensities are logged",
        )
        return values

    def users(self) -> tuple[Any, Ints]:
        """Distinct user ids, sorted, and each row's index among them, array (N,)."""
        column = self._table["user_id"]
        if column.null_count:
            raise DataError(
                f"trajectories: user_id is null in {column.null_count} rows; remove them"
            )
        texts = cast_column("user_id", column, pa.string(), "texts or numbers")
        encoded = texts.combine_chunks().dictionary_encode()
        names = np.asarray(encoded.dictionary.to_pylist(), dtype=np.str_)
        ranked, positions = np.unique(names, return_inverse=True)
        return ranked, positions[np.asarray(encoded.indices.to_numpy(False))].astype(np.int64)


def cast_column(name: str, column: Any, kind: pa.DataType, allowed: str) -> Any:
    """The column as another type; DataError with Arrow's own reason where that cannot be.

    The type may be right and a value not: a number beyond a double's, a part of a microsecond.
    """
    try:
        return column.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        reason = str(error).splitlines()[0] if str(error) else "it cannot be converted"
        raise DataError(
            f"trajectories: column {name!r} of {column.type}: {reason}; allowed: {allowed}"
        ) from None
