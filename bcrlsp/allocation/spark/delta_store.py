"""Blocks as rows of a Delta table, one binary column an array."""

import json
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, DataFrameWriter, SparkSession
from pyspark.sql import functions as F

from bcrlsp.allocation.spark.build import Head, Layout, Stored, build, pack
from bcrlsp.allocation.spark.stores import HEADS, BlockFunction, error_row, read_heads
from bcrlsp.errors import ConflictError, DataError
from bcrlsp.tables.patience import is_conflict, patiently

_CONTENT = ("ids", "value", "cost", "group_index", "hashes")
_SCHEMA = HEADS + ", shape string, " + ", ".join(f"{name} binary" for name in _CONTENT)


class DeltaStore:
    """Blocks in the Delta table at a path or of a name (catalog.schema.name).

    Each build overwrites the table and reads back the version it wrote; older versions stay as
    long as the table keeps its history.
    """

    def __init__(self, spark: SparkSession, table: str) -> None:
        self._spark = spark
        self._path = table if "/" in table else None
        self.table = f"delta.`{table}`" if self._path else table
        self._version = -1
        self._numbers: dict[str, int] = {}

    def build(self, scores: DataFrame, layout: Layout) -> list[Head]:
        """Keeps the scores as blocks and returns their heads, in the order of their numbers."""

        def encode(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            try:
                for head, stored in build(batches, layout):
                    yield _row(uuid.uuid4().hex, head, stored)
            except DataError as mistake:
                empty = error_row(mistake)
                nothing = [pa.array([""]), *(pa.array([b""]) for _ in _CONTENT)]
                yield pa.record_batch(
                    [*empty.columns, *nothing], names=[*empty.schema.names, "shape", *_CONTENT]
                )

        run = uuid.uuid4().hex
        writer = (
            scores.mapInArrow(encode, _SCHEMA)
            .write.format("delta")
            .mode("overwrite")
            .option("overwriteSchema", "true")
            .option("userMetadata", run)
        )
        patiently(lambda: self._save(writer))
        history = self._spark.sql(f"DESCRIBE HISTORY {self.table}")
        self._version = int(history.where(F.col("userMetadata") == run).first()["version"])  # type: ignore[index]
        heads = read_heads(self._read().select("name", "head", "error"))
        self._numbers = {name: number for number, (name, _) in enumerate(heads)}
        doubled = self.map(_hashes, "hash long").groupBy("hash").count().where("count > 1").first()
        if doubled is not None:
            self._raise_if_doubled(int(doubled["hash"]))
        return [head for _, head in heads]

    def _save(self, writer: DataFrameWriter) -> None:
        try:
            if self._path:
                writer.save(self._path)
            else:
                writer.saveAsTable(self.table)
        except PySparkException as error:
            if is_conflict(error):
                raise ConflictError(f"another run wrote {self.table} at the same time") from error
            raise

    def map(self, function: BlockFunction, schema: str) -> DataFrame:
        """`function` over all blocks, a DataFrame that can be read again until `release`."""
        numbers = self._numbers

        def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            yield from function(DeltaShare(batches, numbers))

        return self._read().select("name", "shape", *_CONTENT).mapInArrow(run, schema)

    def first_rows(self, counts: Sequence[int]) -> None:
        """None: the driver sees the blocks through Spark alone."""
        return

    def release(self) -> None:
        """Nothing to do: the next build overwrites the table."""

    def _read(self) -> DataFrame:
        return self._spark.sql(f"SELECT * FROM {self.table} VERSION AS OF {self._version}")

    def _raise_if_doubled(self, hashed: int) -> None:
        """Raises DataError for an id in two rows; two ids may share a hash."""

        def ids(share: Any) -> Iterator[pa.RecordBatch]:
            for _, stored in share:
                rows = np.flatnonzero(stored.hashes.view(np.int64) == hashed)
                yield pa.record_batch(
                    [stored.ids.take(pa.array(rows)).cast("string")], names=["id"]
                )

        user_ids = [row["id"] for row in self.map(ids, "id string").collect()]
        for user in sorted(set(user_ids)):
            if user_ids.count(user) > 1:
                raise DataError(f"user {user!r} is in scores twice; give each user one row")


@dataclass(frozen=True)
class DeltaShare:
    """The blocks that Spark gives to one task."""

    batches: Iterator[pa.RecordBatch]
    numbers: dict[str, int]

    def __iter__(self) -> Iterator[tuple[int, Stored]]:
        """Number and content of each block."""
        for batch in self.batches:
            for row in range(batch.num_rows):
                yield self.numbers[batch.column("name")[row].as_py()], _stored(batch, row)

    def doubled(self) -> list[str]:
        """Nothing: the store has looked by itself."""
        return []


def _hashes(share: Any) -> Iterator[pa.RecordBatch]:
    for _, stored in share:
        yield pa.record_batch([pa.array(stored.hashes.view(np.int64))], names=["hash"])


def _row(name: str, head: Head, stored: Stored) -> pa.RecordBatch:
    ids = pa.record_batch([stored.ids], names=["ids"])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, ids.schema) as out:
        out.write_batch(ids)
    shape = json.dumps([*stored.value.shape, stored.value.dtype.str, stored.cost.dtype.str])
    content = [
        sink.getvalue().to_pybytes(),
        *(getattr(stored, array).tobytes() for array in _CONTENT[1:]),
    ]
    return pa.record_batch(
        [
            pa.array([name]),
            pa.array([pack(head)]),
            pa.array([None], pa.string()),
            pa.array([shape]),
            *(pa.array([part], pa.binary()) for part in content),
        ],
        names=["name", "head", "error", "shape", *_CONTENT],
    )


def _stored(batch: pa.RecordBatch, row: int) -> Stored:
    users, levels, value, cost = json.loads(batch.column("shape")[row].as_py())

    def array(name: str, dtype: str) -> Any:
        # A copy: the compiled passes take writable arrays, and Arrow's memory is not.
        return np.frombuffer(batch.column(name)[row].as_buffer(), dtype=dtype).copy()

    return Stored(
        ids=pa.ipc.open_stream(batch.column("ids")[row].as_buffer())
        .read_all()
        .column(0)
        .combine_chunks(),
        value=array("value", value).reshape(users, levels),
        cost=array("cost", cost).reshape(users, levels),
        group_index=array("group_index", "<i4"),
        hashes=array("hashes", "<u8"),
    )
