"""The users of a store as the search sees them."""

import copy
import math
import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numba
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame

from bcrlsp.allocation.engine import Outcome
from bcrlsp.allocation.passes import kernels
from bcrlsp.allocation.passes.blocks import Answer, Block, Query, Users, choose, scan, sums_of
from bcrlsp.allocation.problem.conditioning import Conditioning, condition, losses
from bcrlsp.allocation.problem.constraints import FloatArray, PriceTables
from bcrlsp.allocation.problem.fixed_point import Units, units_of
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
        self._group_indices = [
            np.array([numbers[key] for key in head.keys], dtype=np.int32) for head in heads
        ]
        self.sizes = np.zeros(len(numbers), dtype=np.int64)
        for head, group_indices in zip(heads, self._group_indices, strict=True):
            np.add.at(self.sizes, group_indices, np.array(head.sizes))
        stats, best = heads[0].stats, heads[0].best
        for head in heads[1:]:
            stats, best = stats.merge(head.stats), best + head.best
        self.top_cost = np.zeros(len(numbers))
        for head, group_indices in zip(heads, self._group_indices, strict=True):
            np.maximum.at(self.top_cost, group_indices, np.array(head.tops))
        self._offset, self._stats = best, stats
        orders = frozenset[int]().union(*(head.orders for head in heads))
        self.conditioning = condition(orders, stats.value)
        self._checked = False
        self._use()

    def _use(self) -> None:
        """Takes up the values to work with."""
        stats, conditioning = self._stats, self.conditioning
        if conditioning is not None:
            stats = replace(stats, value=conditioning.largest)
        self.users, self.scale = stats.users, stats.value
        self.units: Units = units_of(stats)
        self._read = Read(tuple(self._group_indices), conditioning)

    @property
    def offset(self) -> float:
        """What the users' own values are above those worked with, in sum."""
        return 0.0 if self.conditioning is None else self._offset

    def plain(self) -> "SparkSource":
        """The same users with their own values."""
        other = copy.copy(self)
        other.conditioning = None
        other._use()
        return other

    def scan(self, query: Query) -> Answer:
        """The merged answer of all blocks. Raises DataError for a user that is there twice."""
        read, first = self._read, not self._checked

        def run(share: Share) -> Iterator[pa.RecordBatch]:
            numba.set_num_threads(1)
            parts = [scan(read.block(i, s), query, i) for i, s in share]
            doubled = share.doubled() if first else []
            if parts:
                yield _packed((Answer.merge(parts), doubled))

        answers = [pickle.loads(bytes(row[0])) for row in self._store.map(run, _ANSWER).collect()]
        for _, doubled in answers:
            if doubled:
                raise DataError(f"user {doubled[0]!r} is in scores twice; give each user one row")
        self._checked = True
        return Answer.merge([answer for answer, _ in answers])

    def sums(self, weight: float, tables: Sequence[PriceTables]) -> NDArray[np.int64]:
        """(j, 5, g, a) sums of the best choices under each of several tables (see Answer)."""
        read, units = self._read, self.units

        def run(share: Share) -> Iterator[pa.RecordBatch]:
            numba.set_num_threads(1)
            parts = [sums_of(read.block(i, s), weight, tables, units) for i, s in share]
            if parts:
                yield _packed(np.sum(parts, axis=0))

        answers = [pickle.loads(bytes(row[0])) for row in self._store.map(run, _ANSWER).collect()]
        return np.asarray(np.sum(answers, axis=0))

    def sample(self, count: int) -> Users:
        """The `count` users with the lowest hashes, or a few less."""
        share = min(1.0, (count + 6.0 * count**0.5 + 20.0) / self.users)
        top, read = kernels.share_threshold(share), self._read

        def pick(number: int, stored: Stored) -> Users:
            return Users.take(read.block(number, stored), stored.hashes <= top, number)

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

        answers = [pickle.loads(bytes(row[0])) for row in self._store.map(run, _ANSWER).collect()]
        return Users.merge(answers).first(count)

    def decisions(self, outcome: Outcome, user_type: str) -> DataFrame:
        """user_id, level, value, cost of every user."""
        read = self._read

        def run(share: Share) -> Iterator[pa.RecordBatch]:
            numba.set_num_threads(1)
            for number, stored in share:
                chosen, value, cost = read.chosen(number, stored, outcome)
                yield pa.record_batch(
                    [
                        stored.ids,
                        pa.array(chosen.astype(np.int32)),
                        pa.array(value),
                        pa.array(cost),
                    ],
                    names=["user_id", "level", "value", "cost"],
                )

        schema = f"user_id {user_type}, level int, value double, cost double"
        return self._store.map(run, schema)

    def worth(self, outcome: Outcome) -> tuple[float, bool]:
        """What an outcome is worth in the users' own values, and whether some level that counts
        as losing less than it does was chosen."""
        read, conditioning = self._read, self.conditioning
        most = np.inf if conditioning is None else conditioning.most_lost

        def run(share: Share) -> Iterator[pa.RecordBatch]:
            numba.set_num_threads(1)
            for number, stored in share:
                chosen, value, _ = read.chosen(number, stored, outcome)
                lost = losses(stored.value)[np.arange(len(chosen)), chosen]
                yield _packed((math.fsum(value), bool(np.any(lost > most))))

        answers = [pickle.loads(bytes(row[0])) for row in self._store.map(run, _ANSWER).collect()]
        return math.fsum(value for value, _ in answers), any(above for _, above in answers)


@dataclass(frozen=True)
class Read:
    """How stored blocks are read.

    codes: groups of each block's own numbers. conditioning: of the values, None for the users' own.
    """

    group_indices: tuple[NDArray[np.int32], ...]
    conditioning: Conditioning | None

    def block(self, number: int, stored: Stored) -> Block:
        """A block to work with."""
        value = stored.value if self.conditioning is None else self.conditioning.apply(stored.value)
        return Block(
            value, stored.cost, self.group_indices[number][stored.group_index], stored.hashes
        )

    def chosen(
        self, number: int, stored: Stored, outcome: Outcome
    ) -> tuple[NDArray[np.int16], FloatArray, FloatArray]:
        """(n,) level, value and cost of a block's users."""
        levels = choose(self.block(number, stored), outcome.weight, outcome.tables)
        here = outcome.place[:, 0] == number
        levels[outcome.place[here, 1]] = outcome.levels[here]
        everyone = np.arange(len(levels))
        value, cost = stored.value[everyone, levels], stored.cost[everyone, levels]
        return levels, value.astype(np.float64), cost.astype(np.float64)


def _packed(content: object) -> pa.RecordBatch:
    return pa.record_batch([pa.array([pickle.dumps(content)], pa.binary())], names=["answer"])
