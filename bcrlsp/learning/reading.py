"""Reads trajectories into `Transitions` in two passes, so that every state is held once.

The first pass reads users and steps alone and says where each row belongs; the second streams the
rest and puts every row in its place. Memory is the arrays, one batch, and the keys; the states,
the largest of the arrays, can be in a file instead (`disk`).
"""

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

from bcrlsp.arrays import as_flags, as_levels, whole
from bcrlsp.errors import DataError
from bcrlsp.frames import as_table
from bcrlsp.learning import disk
from bcrlsp.learning.columns import ids_of, instants_of, matrix_of, numbers_of, read_as
from bcrlsp.learning.memory import release_memory
from bcrlsp.learning.transitions import Transitions, check_values
from bcrlsp.trajectory_order import early_end, late_period

Batches = Callable[[list[str]], Iterable[pa.RecordBatch]]

_KEYS = ["user_id", "step"]
_PERIODS = ("period_start", "period")
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
    twice = [name for name in schema.names if schema.names.count(name) > 1]
    if twice:
        raise DataError(f"trajectories have the column {twice[0]} twice; give each name once")
    missing = [name for name in (*_KEYS, *_VALUES) if name not in schema.names]
    if missing:
        raise DataError(
            f"trajectories lack the column {missing[0]}; they have {', '.join(schema.names)}"
        )
    places, has_next, users, feature_set = _places(batches, schema.names)
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
        held = matrix_of(batch.column("state"), "state", width)
        if not states.size:
            width = held.shape[1]
            states = place((rows, width))
        check_values(held, feature_names, rows=False)
        states[to] = held
        levels[to] = read_as(as_levels, numbers_of(batch, "level"), "level")
        for name, array in numbers.items():
            array[to] = numbers_of(batch, name)
        terminal[to] = read_as(as_flags, numbers_of(batch, "terminal"), "terminal")
        if masked:
            may = matrix_of(
                batch.column("allowed"), "allowed", 0 if allowed is None else allowed.shape[1]
            )
            allowed = np.empty((rows, may.shape[1]), bool) if allowed is None else allowed
            allowed[to] = read_as(as_flags, may, "allowed")
    del places
    if isinstance(states, disk.StatesOnDisk):
        states = disk.finished(states)
    early = early_end(terminal, users)
    if early is not None:
        first = int(users[np.searchsorted(users, early, "right") - 1])
        raise DataError(
            f"row {early - first} of a user's trajectory is terminal but another row of the user "
            "follows; only a user's last row may be: rebuild the trajectories"
        )
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
    batches: Batches, names: Sequence[str]
) -> tuple[NDArray[np.integer], NDArray[np.bool_], NDArray[np.int64], str]:
    """Where each row read goes, which placed rows have a next one, and where users start."""
    ids, steps, feature_sets = [], [], set()
    starts_at: list[NDArray[np.integer] | None] = []
    when = next((name for name in _PERIODS if name in names), None)
    besides = [name for name in ("feature_set", when or "") if name in names]
    for batch in batches([*_KEYS, *besides]):
        users_here = ids_of(batch.column("user_id"))
        if users_here.null_count:
            raise DataError("a trajectory has no user_id; rebuild the trajectories")
        ids.append(users_here)
        if when is not None:
            starts_at.append(instants_of(batch.column(when), when))
        steps.append(read_as(whole, numbers_of(batch, "step"), "step").astype(np.int32))
        if "feature_set" in names:
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
    known = [each for each in starts_at if each is not None]
    if known and len(known) == len(starts_at):
        late = late_period(same, np.concatenate(known)[order])
        if late is not None:
            raise DataError(
                f"user {users[codes[late]]} has step {step[late]} in no later period than the step "
                "before it; periods must rise with the steps: rebuild the trajectories"
            )
    has_next = np.append(same & (step[1:] == step[:-1] + 1), False)
    starts = np.flatnonzero(np.append(True, ~same))
    index = np.dtype(np.int32 if len(order) < 2**31 else np.int64)
    places: NDArray[np.integer] = np.empty(len(order), index)
    places[order] = np.arange(len(order), dtype=index)
    offsets = np.append(starts, len(order)).astype(np.int64)
    return places, has_next, offsets, next(iter(feature_sets), None) or ""
