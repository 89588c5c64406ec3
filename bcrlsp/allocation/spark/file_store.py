"""Blocks as .npy files, read through memory maps."""

import shutil
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame, SparkSession

from bcrlsp.allocation.spark.build import Head, Layout, Stored, build
from bcrlsp.allocation.spark.stores import HEADS, BlockFunction, error_row, head_row, read_heads
from bcrlsp.errors import DataError
from bcrlsp.places import absolute

_ARRAYS = ("value", "cost", "group_index", "hashes")
_USERS_PER_TASK = 1_000_000


class FileStore:
    """Blocks below a folder that the driver and all workers see: a local path, a network share, a
    Databricks volume. None for a temporary folder of this machine that no other user can read."""

    def __init__(self, spark: SparkSession, root: str | None = None) -> None:
        self._spark = spark
        if root is None:
            self._folder = Path(tempfile.mkdtemp(prefix="bcrlsp-blocks-"))
        else:
            self._folder = Path(absolute(root)) / f"blocks-{uuid.uuid4().hex}"
        self._names: tuple[str, ...] = ()
        self._tasks = 1

    def build(self, scores: DataFrame, layout: Layout) -> list[Head]:
        """Keeps the scores as blocks and returns their heads, in the order of their numbers."""
        self._folder.mkdir(parents=True, exist_ok=True)
        folder = str(self._folder)

        def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            try:
                for head, stored in build(batches, layout):
                    # A name of its own: a task that Spark runs twice leaves files nobody reads.
                    name = uuid.uuid4().hex
                    _write(Path(folder) / name, stored)
                    yield head_row(name, head)
            except DataError as mistake:
                yield error_row(mistake)

        heads = read_heads(scores.mapInArrow(write, HEADS))
        self._names = tuple(name for name, _ in heads)
        users = sum(head.users for _, head in heads)
        self._tasks = max(1, min(len(heads), max(2, users // _USERS_PER_TASK)))
        return [head for _, head in heads]

    def map(self, function: BlockFunction, schema: str) -> DataFrame:
        """`function` over all blocks, a DataFrame that can be read again until `release`."""
        folder, names, tasks = str(self._folder), self._names, self._tasks

        def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for batch in batches:
                for task in batch.column(0).to_pylist():
                    yield from function(FileShare(folder, names, task, tasks))

        return self._spark.range(0, tasks, 1, tasks).mapInArrow(run, schema)

    def first_rows(self, counts: Sequence[int]) -> Iterator[tuple[int, Stored]]:
        """The first counts[number] rows of each block."""
        for number, (name, count) in enumerate(zip(self._names, counts, strict=True)):
            if count:
                yield number, _read(self._folder / name, count)

    def release(self) -> None:
        """Deletes the files."""
        shutil.rmtree(self._folder, ignore_errors=True)


@dataclass(frozen=True)
class FileShare:
    """Every `tasks`-th block, and one of `tasks` ranges of hashes to look for doubles in."""

    folder: str
    names: tuple[str, ...]
    task: int
    tasks: int

    def __iter__(self) -> Iterator[tuple[int, Stored]]:
        """Number and content of each block."""
        for number in range(self.task, len(self.names), self.tasks):
            yield number, _read(Path(self.folder) / self.names[number])

    def doubled(self) -> list[str]:
        """Users that are there more than once, of those whose hash lies in this task's range."""
        low = (self.task << 64) // self.tasks
        high = ((self.task + 1) << 64) // self.tasks - 1
        parts: list[NDArray[np.uint64]] = []
        for name in self.names:
            hashes = np.load(Path(self.folder) / name / "hashes.npy", mmap_mode="r")
            first = np.searchsorted(hashes, np.uint64(low), side="left")
            parts.append(
                np.array(hashes[first : np.searchsorted(hashes, np.uint64(high), "right")])
            )
        ordered = np.sort(np.concatenate(parts))
        twice = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
        return self._names_of(twice[:10]) if len(twice) else []

    def _names_of(self, hashes: NDArray[np.uint64]) -> list[str]:
        """Ids in more than one row, of those with these hashes: two ids may share one."""
        seen: set[str] = set()
        doubled = []
        for name in self.names:
            stored = _read(Path(self.folder) / name)
            for row in np.flatnonzero(np.isin(stored.hashes, hashes)).tolist():
                user = str(stored.ids[row].as_py())
                if user in seen:
                    doubled.append(user)
                seen.add(user)
        return doubled


def _write(folder: Path, stored: Stored) -> None:
    folder.mkdir()
    for name in _ARRAYS:
        np.save(folder / f"{name}.npy", getattr(stored, name))
    batch = pa.record_batch([stored.ids], names=["ids"])
    with (
        pa.OSFile(str(folder / "ids.arrow"), "wb") as file,
        pa.ipc.new_file(file, batch.schema) as out,
    ):
        out.write_batch(batch)


def _read(folder: Path, rows: int | None = None) -> Stored:
    # Copy on write: the compiled passes take writable arrays, in memory or not, alike.
    arrays = {
        name: np.asarray(np.load(folder / f"{name}.npy", mmap_mode="c")[:rows]) for name in _ARRAYS
    }
    with pa.memory_map(str(folder / "ids.arrow")) as file:
        ids = pa.ipc.open_file(file).get_batch(0).column(0)
    return Stored(ids=ids if rows is None else ids.slice(0, rows), **arrays)
