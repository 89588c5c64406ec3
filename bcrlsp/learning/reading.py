"""Reads trajectories into `Transitions` in two passes, so that every state is held once.

The first pass reads users and steps alone and says where each row belongs; the second streams the
rest and puts every row in its place. Memory is the arrays, one batch, and the keys; the states,
the largest of the arrays, can be in a file instead (`disk`).
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from numpy.typing import NDArray

from bcrlsp.arrays import as_flags, as_levels, as_propensities, as_states, whole
from bcrlsp.errors import DataError
from bcrlsp.frames import as_table
from bcrlsp.learning import disk
from bcrlsp.learning.memory import release_memory
from bcrlsp.learning.transitions import Transitions, check_values

Batches = Callable[[list[str]], Iterable[pa.RecordBatch]]

_KEYS = ["user_id", "step"]
_VALUES = ["state", "level", "reward", "cost", "propensity", "terminal"]
_BATCH_ROWS = 8_192
_BUFFER = 2**18


def from_frame(frame: Any, feature_names: Sequence[str] | None = None) -> Transitions:
    """Transitions of a table with the columns of `trajectories`, in any order of rows.

    frame: a pyarrow.Table, a pandas, Polars or Spark DataFrame. feature_names: names of the state's
    columns, for messages. Raises DataError, with the column's name, where a column is missing, a
    value is missing or not finite, or steps repeat.
    """
    table = as_table(frame)
    return from_batches(
        lambda columns: table.select(columns).to_batches(), table.schema, feature_names
    )


def from_delta(
    path: str,
    version: int,
    before: date | None = None,
    feature_names: Sequence[str] | None = None,
    states_in: Path | None = None,
) -> Transitions:
    """Transitions of a pinned version of the Delta table at `path`, read without Spark.

    before: only periods that start before this day. feature_names: names of the state's columns,
    for messages. states_in: file that the states are put into, for more than memory holds; it must
    stay for as long as they are used. Raises DataError where there is no such table or version,
    where it is empty, where a value is missing or not finite (with the column's name), or where
    steps repeat.
    """
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError, TableNotFoundError

    try:
        table = DeltaTable(path, version=version)
        dataset = table.to_pyarrow_dataset()
    except TableNotFoundError:
        raise DataError(f"there is no Delta table at {path}") from None
    except (DeltaError, OSError, ValueError) as error:
        first = str(error).splitlines()[0]
        raise DataError(f"cannot read version {version} of {path}: {first}") from None
    chosen = None if before is None else ds.field("period") < pa.scalar(before)

    def batches(columns: list[str]) -> Iterable[pa.RecordBatch]:
        # One file after the other: the order is the same in both passes.
        for fragment in dataset.get_fragments(filter=chosen):
            yield from _streamed(fragment, dataset.schema, columns, before)

    return from_batches(batches, dataset.schema, feature_names, states_in)


def _streamed(
    fragment: ds.ParquetFileFragment, schema: pa.Schema, columns: list[str], before: date | None
) -> Iterator[pa.RecordBatch]:
    """Batches of one file, page by page: a scanner would hold a whole row group, and threads more.

    A column that the file does not have yet is null, as Delta has it.
    """
    with fragment.filesystem.open_input_file(fragment.path) as source:
        # The buffer makes it read a column's pages as they are asked for.
        file = pq.ParquetFile(source, pre_buffer=False, buffer_size=_BUFFER)
        there = set(file.schema_arrow.names)
        # Where the period is in the file's path instead, the file was chosen by it.
        within = before is not None and "period" in there
        read = [name for name in (*columns, *(["period"] if within else [])) if name in there]
        for batch in file.iter_batches(_BATCH_ROWS, columns=read, use_threads=False):
            kept = batch.filter(pc.less(batch.column("period"), before)) if within else batch
            yield pa.RecordBatch.from_arrays(
                [
                    kept.column(name)
                    if name in there
                    else pa.nulls(kept.num_rows, schema.field(name).type)
                    for name in columns
                ],
                columns,
            )


def from_batches(
    batches: Batches,
    schema: pa.Schema,
    feature_names: Sequence[str] | None,
    states_in: Path | None = None,
) -> Transitions:
    """Transitions of the rows that `batches(columns)` yields, in the same order at each call.

    schema: its columns; `allowed` array<boolean> and `feature_set` are read where they are there.
    states_in: file that the states are put into; None: memory.
    """
    place = disk.allocate(states_in)
    missing = [name for name in (*_KEYS, *_VALUES) if name not in schema.names]
    if missing:
        raise DataError(
            f"trajectories lack the column {missing[0]}; they have {', '.join(schema.names)}"
        )
    places, has_next, users, feature_set = _places(batches, "feature_set" in schema.names)
    release_memory()  # what the keys took, before the states need it
    rows = len(places)
    width = 0
    states: NDArray[np.float32] = np.empty((0, 0), np.float32)
    allowed: NDArray[np.bool_] | None = None
    levels = np.empty(rows, np.int8)
    numbers = {name: np.empty(rows, np.float32) for name in ("reward", "cost", "propensity")}
    terminal = np.empty(rows, bool)
    masked = ["allowed"] if "allowed" in schema.names else []
    done = 0
    for batch in batches([*_VALUES, *masked]):
        if not batch.num_rows:
            continue
        to = places[done : done + batch.num_rows]
        done += batch.num_rows
        held = _matrix(batch.column("state"), "state", width)
        if not states.size:
            width = held.shape[1]
            states = place((rows, width))
        check_values(held, feature_names, rows=False)
        states[to] = held
        levels[to] = _read(as_levels, _numbers(batch, "level"), "level")
        for name, array in numbers.items():
            array[to] = _numbers(batch, name)
        terminal[to] = _read(as_flags, _numbers(batch, "terminal"), "terminal")
        if masked:
            may = _matrix(
                batch.column("allowed"), "allowed", 0 if allowed is None else allowed.shape[1]
            )
            allowed = np.empty((rows, may.shape[1]), bool) if allowed is None else allowed
            allowed[to] = _read(as_flags, may, "allowed")
    del places
    if isinstance(states, disk.StatesOnDisk):
        states = disk.finished(states)
    has_next &= ~terminal
    release_memory()
    return Transitions(
        states=states,
        levels=levels,
        rewards=numbers["reward"],
        costs=numbers["cost"],
        propensities=numbers["propensity"],
        terminal=terminal,
        has_next=has_next,
        users=users,
        allowed=allowed,
        feature_set=feature_set,
    )


def _places(
    batches: Batches, with_feature_set: bool
) -> tuple[NDArray[np.integer], NDArray[np.bool_], NDArray[np.int64], str]:
    """Where each row read goes, which placed rows have a next one, and where users start."""
    ids, steps, feature_sets = [], [], set()
    for batch in batches([*_KEYS, *(["feature_set"] if with_feature_set else [])]):
        if batch.column("user_id").null_count:
            raise DataError("a trajectory has no user_id; rebuild the trajectories")
        ids.append(batch.column("user_id"))
        steps.append(_read(whole, _numbers(batch, "step"), "step").astype(np.int32))
        if with_feature_set:
            feature_sets |= set(batch.column("feature_set").unique().to_pylist())
    if not sum(map(len, steps)):
        raise DataError("there are no trajectories of these periods; build them first")
    if len(feature_sets) > 1:
        raise DataError(
            f"trajectories of {len(feature_sets)} feature sets ({', '.join(sorted(feature_sets))})"
            "; rebuild all periods with one"
        )
    encoded = pa.chunked_array(ids).dictionary_encode()
    ids.clear()
    # In the order of the users' ids, so that the order of the rows read does not matter.
    users = encoded.chunk(0).dictionary
    users = users.take(pc.sort_indices(users))
    ranks = pc.index_in(encoded.chunk(0).dictionary, users).to_numpy(zero_copy_only=False)
    codes = np.concatenate([ranks[chunk.indices.to_numpy()] for chunk in encoded.chunks])
    step = np.concatenate(steps)
    del encoded
    steps.clear()
    order = np.lexsort((step, codes))
    codes, step = codes[order], step[order]
    same = codes[1:] == codes[:-1]
    repeated = same & (step[1:] == step[:-1])
    if repeated.any():
        at = int(repeated.argmax())
        raise DataError(
            f"user {users[codes[at]]} has step {step[at]} twice in the trajectories; "
            "rebuild all of its periods"
        )
    has_next = np.append(same & (step[1:] == step[:-1] + 1), False)
    starts = np.flatnonzero(np.append(True, ~same))
    index = np.dtype(np.int32 if len(order) < 2**31 else np.int64)
    places: NDArray[np.integer] = np.empty(len(order), index)
    places[order] = np.arange(len(order), dtype=index)
    offsets = np.append(starts, len(order)).astype(np.int64)
    return places, has_next, offsets, next(iter(feature_sets), None) or ""


def _numbers(batch: pa.RecordBatch, name: str) -> NDArray[Any]:
    """A column as NumPy; only a propensity may be null (NaN)."""
    column = batch.column(name)
    if column.null_count and name != "propensity":
        raise DataError(f"{name} is null in a trajectory; rebuild the trajectories")
    numbers: NDArray[Any] = column.to_numpy(zero_copy_only=False)
    if name in ("reward", "cost"):
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
        return _read(
            as_propensities, numbers, name
        )  # nulls are None or NaN by now: both become NaN
    return numbers


def _read(
    check: Callable[[NDArray[Any], str], NDArray[Any]], numbers: NDArray[Any], name: str
) -> NDArray[Any]:
    """A checked column; of a mistake its row is left out, which is one of the batch."""
    try:
        return check(numbers, name)
    except DataError as error:
        said = re.sub(r"^(\w+) is (\S+) in row [\d, ]+;", r"\1 \2 was logged;", str(error))
        raise DataError(f"{said}: mend the rows and rebuild the trajectories") from None


def _matrix(column: pa.Array, name: str, width: int) -> NDArray[np.float32]:
    """A list column as a matrix of `width` columns; 0: as wide as its first row."""
    widths = np.diff(np.asarray(column.offsets))
    width = width or int(widths[0])
    flat = column.flatten()
    if column.null_count or flat.null_count:
        raise DataError(f"{name} is null in a trajectory; rebuild the trajectories")
    if (widths != width).any():
        other = int(widths[(widths != width).argmax()])
        raise DataError(
            f"{name} has {other} entries in one row and {width} in others; rebuild all periods "
            "with one feature set"
        )
    return as_states(flat.to_numpy(zero_copy_only=False), name).reshape(-1, width)
