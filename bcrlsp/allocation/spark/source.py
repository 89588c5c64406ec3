"""The users of a store as the search sees them."""

import pickle
from collections.abc import Iterator, Sequence
from typing import Any

import numba
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame

from bcrlsp.allocation import kernels
from bcrlsp.allocation.blocks import Answer, Block, Query, Users, choose, scan, sums_of
from bcrlsp.allocation.fixed import Units, units_of
from bcrlsp.allocation.rows import Tables
from bcrlsp.allocation.spark.build import Head, Stored
from bcrlsp.allocation.spark.stores import Share, Store
from bcrlsp.errors import DataError

_ANSWER = "answer binary"


class SparkSource:
    """Blocks of a store, with one numbering of the groups for all of them.

    keys: the distinct group values. sizes: (g,) users of each. levels: number of levels.
    """

    def __init__(self, store: Store, heads: Sequence[Head]) -> None:
        levels = sorted({head.levels for head in heads})
        if len(levels) > 1:
            raise DataError(
                f"some users have {levels[0]} levels and some {levels[1]}; allowed: arrays of one "
                "length for all users (rule levels out with allowed)"
            )
        self._store, self._heads = store, heads
        self.levels = levels[0]
        numbers: dict[tuple[Any, ...], int] = {}
        # By their text, so that the numbers do not depend on how users lie in blocks.
        for key in sorted({key for head in heads for key in head.keys}, key=repr):
            numbers[key] = len(numbers)
        self.keys = list(numbers)
        self._codes = [
            np.array([numbers[key] for key in head.keys], dtype=np.int32) for head in heads
        ]
        self.sizes = np.zeros(len(numbers), dtype=np.int64)
        for head, codes in zip(heads, self._codes, strict=True):
            self.sizes[codes] += np.array(head.sizes)
        stats = heads[0].stats
        for head in heads[1:]:
            stats = stats.merge(head.stats)
        self.users, self.scale, self.top_cost = stats.users, stats.value, stats.cost
        self.units: Units = units_of(stats)
        self._checked = False

    def scan(self, query: Query) -> Answer:
        """The merged answer of all blocks. Raises DataError for a user that is there twice."""
        codes, first = self._codes, not self._checked

        def run(share: Share) -> Iterator[pa.RecordBatch]:
            numba.set_num_threads(1)
            parts = [scan(_block(s, codes[i]), query, i) for i, s in share]
            doubled = share.doubled() if first else []
            if parts:
                yield _packed((Answer.merge(parts), doubled))

        told = [pickle.loads(bytes(row[0])) for row in self._store.map(run, _ANSWER).collect()]
        for _, doubled in told:
            if doubled:
                raise DataError(f"user {doubled[0]!r} is in scores twice; give each user one row")
        self._checked = True
        return Answer.merge([answer for answer, _ in told])

    def sums(self, weight: float, tables: Sequence[Tables]) -> NDArray[np.int64]:
        """(j, 4, g, a) sums of the best choices under each of several tables (see Answer)."""
        codes, units = self._codes, self.units

        def run(share: Share) -> Iterator[pa.RecordBatch]:
            numba.set_num_threads(1)
            parts = [sums_of(_block(s, codes[i]), weight, tables, units) for i, s in share]
            if parts:
                yield _packed(np.sum(parts, axis=0))

        told = [pickle.loads(bytes(row[0])) for row in self._store.map(run, _ANSWER).collect()]
        return np.asarray(np.sum(told, axis=0))

    def sample(self, count: int) -> Users:
        """The `count` users with the lowest hashes, or a few less."""
        share = min(1.0, (count + 6.0 * count**0.5 + 20.0) / self.users)
        top, codes = kernels.share_threshold(share), self._codes

        def pick(number: int, stored: Stored) -> Users:
            return Users.take(_block(stored, codes[number]), stored.hashes <= top, number)

        # Blocks lie in the order of their hashes: a few more rows than expected hold them all.
        expected = [head.users * share for head in self._heads]
        counts = [
            min(head.users, int(rows + 8.0 * rows**0.5) + 64)
            for head, rows in zip(self._heads, expected, strict=True)
        ]
        rows = self._store.first_rows(counts)
        if rows is not None:
            return Users.merge([pick(number, stored) for number, stored in rows]).first(count)

        def run(several: Share) -> Iterator[pa.RecordBatch]:
            parts = [pick(number, stored) for number, stored in several]
            if parts:
                yield _packed(Users.merge(parts))

        told = [pickle.loads(bytes(row[0])) for row in self._store.map(run, _ANSWER).collect()]
        return Users.merge(told).first(count)

    def decisions(
        self, tables: Tables, place: NDArray[np.int64], levels: NDArray[np.int16], user_type: str
    ) -> DataFrame:
        """user_id, level, value, cost of every user: the best level under `tables`, but `levels`
        (m,) for the users at `place` (m, 2), block and row."""
        codes = self._codes

        def run(share: Share) -> Iterator[pa.RecordBatch]:
            numba.set_num_threads(1)
            for number, stored in share:
                chosen = choose(_block(stored, codes[number]), 1.0, tables)
                here = place[:, 0] == number
                chosen[place[here, 1]] = levels[here]
                everyone = np.arange(len(chosen))
                yield pa.record_batch(
                    [
                        stored.ids,
                        pa.array(chosen.astype(np.int32)),
                        pa.array(stored.value[everyone, chosen].astype(np.float64)),
                        pa.array(stored.cost[everyone, chosen].astype(np.float64)),
                    ],
                    names=["user_id", "level", "value", "cost"],
                )

        schema = f"user_id {user_type}, level int, value double, cost double"
        return self._store.map(run, schema)


def _block(stored: Stored, codes: NDArray[np.int32]) -> Block:
    return Block(stored.value, stored.cost, codes[stored.code], stored.hashes)


def _packed(content: object) -> pa.RecordBatch:
    return pa.record_batch([pa.array([pickle.dumps(content)], pa.binary())], names=["answer"])
