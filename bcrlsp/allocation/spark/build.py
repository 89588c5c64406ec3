"""Scores to compact blocks, inside Spark tasks.

A block holds up to some tens of thousands of users as contiguous arrays, in the order of their
hash, with the ids in an Arrow buffer beside them. Its groups are numbered within the block; the
driver gives each a number for all blocks.
"""

import math
import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bcrlsp.allocation.problem.conditioning import loss_orders
from bcrlsp.allocation.problem.fixed_point import Stats
from bcrlsp.allocation.problem.groups import combine, merge_equal
from bcrlsp.allocation.problem.hashes import hash_block
from bcrlsp.allocation.problem.short_floats import as_written
from bcrlsp.allocation.problem.validate import equal_where_alike, inspect, masked
from bcrlsp.errors import DataError

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Layout:
    """groups: names of the group columns. allowed: whether scores hold masks. users: of a block."""

    groups: tuple[str, ...]
    allowed: bool
    users: int


@dataclass(frozen=True)
class Head:
    """What the driver knows of a block.

    keys: group values in the order of the block's codes; sizes, tops: users and largest cost of
    each. orders: binary orders of what levels lose, see conditioning. best: sum of the users'
    largest values.
    """

    users: int
    levels: int
    keys: tuple[tuple[Any, ...], ...]
    sizes: tuple[int, ...]
    tops: tuple[float, ...]
    stats: Stats
    orders: frozenset[int]
    best: float


@dataclass(frozen=True)
class Stored:
    """A block as it is kept. ids: (n,) Arrow array. The rest as in blocks.Block, codes local."""

    ids: pa.Array
    value: Floats
    cost: Floats
    group_index: NDArray[np.int32]
    hashes: NDArray[np.uint64]


def build(batches: Iterator[pa.RecordBatch], layout: Layout) -> Iterator[tuple[Head, Stored]]:
    """Blocks of the rows of one task. Raises DataError for a row that cannot be worked with."""
    waiting: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        waiting.append(batch)
        count += batch.num_rows
        while count >= layout.users:
            table = pa.Table.from_batches(waiting)
            yield _block(table.slice(0, layout.users), layout)
            waiting = table.slice(layout.users).to_batches()
            count -= layout.users
    if count:
        yield _block(pa.Table.from_batches(waiting), layout)


def _block(table: pa.Table, layout: Layout) -> tuple[Head, Stored]:
    ids = table.column("user_id").combine_chunks()
    if ids.null_count:
        raise DataError("a user_id is null; give every row of scores its user")
    texts = ids.cast(pa.large_string())
    value, cost = (_matrix(table, name, texts) for name in ("value", "cost"))
    if value.shape != cost.shape:
        raise DataError(
            f"value has {value.shape[1]} levels and cost {cost.shape[1]}; allowed: the same number"
        )
    allowed = _matrix(table, "allowed", texts) if layout.allowed else None
    value, cost = masked(_floats("value", value), _floats("cost", as_written(cost)), allowed)
    value, _ = equal_where_alike(value)
    keys, group_index = _group_indices([table.column(name) for name in layout.groups], len(ids))
    stats, tops = inspect(
        value, cost, group_index, len(keys), lambda row: f"user {texts[row].as_py()!r}"
    )
    hashes = np.empty(len(texts), dtype=np.uint64)
    offsets = np.frombuffer(texts.buffers()[1], dtype=np.int64)[texts.offset :]
    data = texts.buffers()[2]
    hash_block(np.frombuffer(data or b"\0", dtype=np.uint8), offsets, hashes)
    order = np.argsort(hashes)
    sizes = tuple(np.bincount(group_index, minlength=len(keys)).tolist())
    stored = Stored(
        ids.take(pa.array(order)), value[order], cost[order], group_index[order], hashes[order]
    )
    head = Head(
        users=len(ids),
        levels=value.shape[1],
        keys=keys,
        sizes=sizes,
        tops=tuple(tops.tolist()),
        stats=stats,
        orders=loss_orders(value),
        best=math.fsum(value.max(axis=1).astype(np.float64)),
    )
    return head, stored


def _matrix(table: pa.Table, name: str, texts: pa.Array) -> NDArray[Any]:
    """(n, a) array of a list column whose rows are all of one length."""
    column = table.column(name).combine_chunks()
    lengths = pc.list_value_length(column)
    levels = pc.max(lengths).as_py()
    if column.null_count or not levels or pc.min(lengths).as_py() != levels:
        wrong = pc.index(pc.fill_null(pc.equal(lengths, levels), False), False).as_py()
        entries = lengths[max(wrong, 0)].as_py()
        raise DataError(
            f"{name} of user {texts[max(wrong, 0)].as_py()!r} has {entries} entries; "
            f"allowed: an array of {levels or 'one entry a level'}, the same for all users"
        )
    flat = column.flatten()
    if flat.null_count:
        row, level = divmod(pc.index(flat.is_null(), True).as_py(), levels)
        raise DataError(
            f"{name} of user {texts[row].as_py()!r} at level {level} is null; allowed: a number"
        )
    return np.asarray(flat.to_numpy(zero_copy_only=False)).reshape(-1, levels)


def _floats(name: str, entries: NDArray[Any]) -> Floats:
    """Numbers as floats. Raises DataError for anything else."""
    # Decimals come as objects, and so do texts, which NumPy would read as numbers.
    texts = entries.dtype.kind == "O" and entries.size and isinstance(entries.flat[0], str | bytes)
    if entries.dtype.kind not in "iufO" or texts:
        kind = "text" if texts else entries.dtype
        raise DataError(f"{name} holds {kind}; allowed: an array of numbers")
    exact = entries.dtype in (np.float32, np.float64)
    return np.ascontiguousarray(entries if exact else entries.astype(np.float64))


def _group_indices(
    columns: Sequence[pa.ChunkedArray], users: int
) -> tuple[tuple[tuple[Any, ...], ...], NDArray[np.int32]]:
    """The distinct keys and each row's (n,) number among them."""
    if not columns:
        return ((),), np.zeros(users, dtype=np.int32)
    parts, indices = [], []
    for column in columns:
        encoded = column.combine_chunks().dictionary_encode(null_encoding="encode")
        values, merged = merge_equal(_values(encoded.dictionary))
        parts.append(values)
        indices.append(merged[np.asarray(encoded.indices)])
    keys, inverse = combine(parts, indices, users)
    return tuple(keys), inverse


def _values(entries: pa.Array) -> list[Any]:
    """Values in the types that say how many digits they have."""
    kind = entries.type
    if pa.types.is_float16(kind) or pa.types.is_float32(kind):
        return list(entries.to_numpy(zero_copy_only=False))
    return cast("list[Any]", entries.to_pylist())


def pack(head: Head) -> bytes:
    """A head as bytes, to travel in a column."""
    return pickle.dumps(head)


def unpack(packed: bytes) -> Head:
    """The head that `pack` packed."""
    return cast(Head, pickle.loads(packed))
