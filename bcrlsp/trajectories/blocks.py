"""From Arrow batches, sorted by user_hash, to blocks of whole users of a bounded size."""

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

# Rows that are gathered before they are cut into blocks.
_ROWS = 2**18


def user_blocks(
    batches: Iterable[pa.RecordBatch], users_a_block: int, rows: int = _ROWS
) -> Iterator[tuple[pa.Table, NDArray[np.int64]]]:
    """Blocks of at most `users_a_block` whole users, with the place of each row's user in it.

    batches: have the columns user_hash (bigint, ascending over all batches) and user_id.
    """
    pending: list[pa.RecordBatch] = []
    held = 0
    for batch in batches:
        pending.append(batch)
        held += batch.num_rows
        if held < rows:
            continue
        table = pa.Table.from_batches(pending)
        hashes = table["user_hash"].to_numpy()
        # Where the last hash begins: its user may go on in the next batch.
        whole = int(np.searchsorted(hashes, hashes[-1]))
        yield from _cut(table.slice(0, whole), users_a_block)
        pending = table.slice(whole).combine_chunks().to_batches()
        held = table.num_rows - whole
    if held:
        yield from _cut(pa.Table.from_batches(pending), users_a_block)


def _cut(table: pa.Table, users_a_block: int) -> Iterator[tuple[pa.Table, NDArray[np.int64]]]:
    if not table.num_rows:
        return
    changes = _changes(table)
    hashes = table["user_hash"].to_numpy()
    if (changes & (hashes[1:] == hashes[:-1])).any():
        # Two users of one hash may lie mixed: bring the rows of each together.
        table = table.take(
            pc.sort_indices(table, [("user_hash", "ascending"), ("user_id", "ascending")])
        )
        changes = _changes(table)
    starts = np.concatenate([[0], np.flatnonzero(changes) + 1, [table.num_rows]])
    for first in range(0, len(starts) - 1, users_a_block):
        bounds = starts[first : first + users_a_block + 1]
        block = table.slice(int(bounds[0]), int(bounds[-1] - bounds[0]))
        yield block, np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))


def _changes(table: pa.Table) -> NDArray[np.bool_]:
    """Whether each row but the first is of another user than the one before it: (rows - 1,)."""
    ids = table["user_id"].combine_chunks()
    return np.asarray(pc.not_equal(ids[1:], ids[:-1]).to_numpy(zero_copy_only=False), dtype=bool)
