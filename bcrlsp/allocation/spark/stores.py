"""Where blocks live between the passes, and how a pass reaches them.

A store is built once from scores; then `map` runs a function over all its blocks as a DataFrame.
Nothing is cached in Spark and nothing is broadcast: what a pass needs travels in its function.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, runtime_checkable

import pyarrow as pa
from pyspark.sql import DataFrame

from bcrlsp.allocation.spark.build import Head, Layout, Stored, pack, unpack
from bcrlsp.errors import DataError

HEADS = "name string, head binary, error string"


class Share(Protocol):
    """The blocks of one task."""

    def __iter__(self) -> Iterator[tuple[int, Stored]]:
        """Number and content of each block."""

    def doubled(self) -> list[str]:
        """Users that are in the store more than once, as far as this task looks for them.

        All tasks together find one if there is one, unless the store looks by itself.
        """


BlockFunction = Callable[[Share], Iterator[pa.RecordBatch]]


@runtime_checkable
class Store(Protocol):
    """Blocks of one allocation at a time."""

    def build(self, scores: DataFrame, layout: Layout) -> list[Head]:
        """Keeps the scores as blocks and returns their heads, in the order of their numbers.

        Raises DataError for a row that cannot be worked with, or a user that is found twice.
        """

    def map(self, function: BlockFunction, schema: str) -> DataFrame:
        """`function` over all blocks, a DataFrame that can be read again until `release`."""

    def first_rows(self, counts: Sequence[int]) -> Iterator[tuple[int, Stored]] | None:
        """The first counts[number] rows of each block, None where the driver cannot see them."""

    def release(self) -> None:
        """Forgets the blocks."""


def head_row(name: str, head: Head) -> pa.RecordBatch:
    """What a task says of one block."""
    return pa.record_batch(
        [pa.array([name]), pa.array([pack(head)]), pa.array([None], pa.string())],
        names=["name", "head", "error"],
    )


def error_row(mistake: DataError) -> pa.RecordBatch:
    """What a task says of rows that cannot be worked with: running it again would not help."""
    return pa.record_batch(
        [pa.array([""]), pa.array([b""]), pa.array([str(mistake)])],
        names=["name", "head", "error"],
    )


def read_heads(rows: DataFrame) -> list[tuple[str, Head]]:
    """Names and heads of all blocks. Raises the first error and DataError for no users."""
    head_rows = sorted(rows.collect(), key=lambda row: (row["error"] or "", row["name"]))
    wrong = [row["error"] for row in head_rows if row["error"]]
    if wrong:
        raise DataError(wrong[0])
    if not head_rows:
        raise DataError("there are no users in scores; nothing can be allocated in this period")
    return [(row["name"], unpack(bytes(row["head"]))) for row in head_rows]
