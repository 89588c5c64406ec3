"""Users in blocks, what a pass asks of a block, and what it answers.

A pass is one `Query` to every block. Answers merge exactly and in any order, so that nothing
depends on how users lie in blocks.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bcrlsp.allocation.passes import kernels
from bcrlsp.allocation.problem.constraints import FloatArray, PriceTables
from bcrlsp.allocation.problem.fixed_point import Units
from bcrlsp.compiled import threads_for


@dataclass(frozen=True)
class Block:
    """Some users. A level that is not allowed has value -inf and cost 0.

    value, cost: (n, a) float32 or float64. group_index: (n,) int32 group. hashes: (n,) uint64 of
    the ids.
    """

    value: NDArray[np.floating]
    cost: NDArray[np.floating]
    group_index: NDArray[np.int32]
    hashes: NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.group_index)


@dataclass(frozen=True)
class Users:
    """Rows brought to the driver, in the order of their hash.

    place: (m, 2) int64, block and row that each was in. The rest as in Block, float64.
    """

    value: FloatArray
    cost: FloatArray
    group_index: NDArray[np.int32]
    hashes: NDArray[np.uint64]
    place: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.group_index)

    @classmethod
    def take(cls, block: Block, chosen: NDArray[np.bool_], number: int) -> "Users":
        """The chosen (n,) rows of block `number`."""
        rows = np.flatnonzero(chosen)
        return cls(
            block.value[rows].astype(np.float64),
            block.cost[rows].astype(np.float64),
            block.group_index[rows],
            block.hashes[rows],
            np.column_stack([np.full(len(rows), number, dtype=np.int64), rows]),
        )

    @classmethod
    def merge(cls, parts: Sequence["Users"]) -> "Users":
        """All rows of all parts."""
        value, cost, group_index, hashes, place = (
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("value", "cost", "group_index", "hashes", "place")
        )
        order = np.argsort(hashes, kind="stable")
        return cls(value[order], cost[order], group_index[order], hashes[order], place[order])

    def first(self, count: int) -> "Users":
        """The `count` users with the lowest hashes."""
        return self.take_rows(np.arange(min(count, len(self))))

    def take_rows(self, rows: NDArray[np.int64]) -> "Users":
        """Some of these users."""
        return Users(
            self.value[rows],
            self.cost[rows],
            self.group_index[rows],
            self.hashes[rows],
            self.place[rows],
        )

    def choose(self, weight: float, tables: PriceTables) -> NDArray[np.int16]:
        """(m,) best levels, as a pass over the blocks finds them."""
        block = Block(self.value, self.cost, self.group_index, self.hashes)
        return choose(block, weight, tables)


@dataclass(frozen=True)
class Query:
    """One pass: the sums of the best choices, and the users near another one.

    weight: of the value in a score. tables: prices. units: of the sums.
    box: (g, p) half-widths of the prices by pattern; alpha, beta: the patterns (see
    constraints.Constraints).
    trial_prices: (j, p) in [-1, 1], other prices to try on the undecided users, as parts of the
    box; of one pattern, rising.
    split: whether what they choose is told apart by their level at the centre.
    salt, share: which part of the undecided users to bring along. most: none of a block where they
    are more than that.
    """

    weight: float
    tables: PriceTables
    units: Units
    box: FloatArray
    alpha: FloatArray
    beta: FloatArray
    trial_prices: FloatArray
    split: bool
    salt: int
    share: float
    most: int


@dataclass(frozen=True)
class Answer:
    """sums: (5, g, a) int64: value, low part of cost, users, value times h, high part of cost, in
    units (see kernels.scan_rows).

    trial_sums: (j + 1, 5, cells, a) the same of the undecided users, at each try and last at the
    centre.
    ratios: (bins,) int64, undecided users by how near (kernels.scan_block). undecided: `share` of
    them.
    """

    sums: NDArray[np.int64]
    trial_sums: NDArray[np.int64]
    ratios: NDArray[np.int64]
    undecided: Users

    @property
    def value(self) -> NDArray[np.int64]:
        """(g, a) value in units, by chosen level."""
        return np.asarray(self.sums[0])

    def cost_of(self, units: Units) -> FloatArray:
        """(g, a) cost by chosen level."""
        return np.asarray((self.sums[4] * 2.0**units.bits + self.sums[1]) / units.per_cost)

    @property
    def count(self) -> NDArray[np.int64]:
        """(g, a) users, by chosen level."""
        return np.asarray(self.sums[2])

    @classmethod
    def merge(cls, parts: Iterable["Answer"]) -> "Answer":
        """The answer of all blocks together."""
        several = list(parts)
        sums, trial_sums, ratios = (
            np.sum([getattr(part, name) for part in several], axis=0)
            for name in ("sums", "trial_sums", "ratios")
        )
        return cls(sums, trial_sums, ratios, Users.merge([part.undecided for part in several]))


class Source(Protocol):
    """All users, wherever they are.

    users: how many. sizes: (g,) users of each group. units: of the sums.
    scale: largest |value| of a user. top_cost: (g,) largest cost in each group.
    """

    users: int
    sizes: NDArray[np.int64]
    units: Units
    scale: float
    top_cost: FloatArray

    def scan(self, query: Query) -> Answer:
        """The merged answer of all blocks."""

    def sums(self, weight: float, tables: Sequence[PriceTables]) -> NDArray[np.int64]:
        """(j, 5, g, a) sums of the best choices under each of several tables (see Answer)."""

    def sample(self, count: int) -> Users:
        """The `count` users with the lowest hashes, or a few less."""


def scan(block: Block, query: Query, number: int) -> Answer:
    """The answer of one block, whose number is noted with the undecided users."""
    groups, levels = query.tables.cost.shape
    threads, trial_prices = threads_for(len(block)), len(query.trial_prices)
    along = query.trial_prices.shape[1] == 1
    steps = query.trial_prices[: 1 if along else None, None, :] * query.box
    sums = np.zeros((threads, 5, groups, levels), dtype=np.int64)
    cells = groups * levels if query.split else groups
    trial_sums = np.zeros(
        (threads, trial_prices + 1 if trial_prices else 0, 5, cells, levels), dtype=np.int64
    )
    ratios = np.zeros((threads, kernels.RATIO_BINS), dtype=np.int64)
    undecided = np.zeros(len(block), dtype=np.bool_)
    given = (
        block.value, block.cost, block.group_index, block.hashes,
        query.weight, query.tables.cost, query.tables.count,
        per_unit(query.units),
        query.box, query.alpha, query.beta, query.trial_prices,
        query.tables.cost + steps @ query.alpha, query.tables.count + steps @ query.beta,
        along, query.split, np.uint64(query.salt), kernels.share_threshold(query.share),
    )  # fmt: skip
    if threads == 1:
        kernels.scan_rows(*given, 0, len(block), sums[0], trial_sums[0], ratios[0], undecided)
    else:
        kernels.scan_block(*given, threads, sums, trial_sums, ratios, undecided)
    added = trial_sums.sum(axis=0)
    if along and trial_prices:
        added[:-1] = np.cumsum(added[:-1], axis=0)
    if np.count_nonzero(undecided) > query.most:
        undecided[:] = False
    users = Users.take(block, undecided, number)
    return Answer(sums.sum(axis=0), added, ratios.sum(axis=0), users)


def sums_of(
    block: Block, weight: float, tables: Sequence[PriceTables], units: Units
) -> NDArray[np.int64]:
    """(j, 5, g, a) sums of a block's best choices under each of several tables (see Answer)."""
    levels = block.value.shape[1]
    none = np.zeros((0, levels))
    boxes = np.zeros((len(tables[0].cost), 0))
    return np.array(
        [
            scan(
                block,
                Query(weight, table, units, boxes, none, none, np.zeros((0, 0)), False, 0, 0.0, 0),
                0,
            ).sums
            for table in tables
        ]
    )


def per_unit(units: Units) -> tuple[float, float, float, float]:
    """What the compiled passes need to count in units."""
    return 1.0 / units.value, units.per_cost, units.doubt, 2.0**-units.bits


def choose(block: Block, weight: float, tables: PriceTables) -> NDArray[np.int16]:
    """(n,) best level of each user of a block."""
    levels = np.empty(len(block), dtype=np.int16)
    given = (
        block.value, block.cost, block.group_index, block.hashes, weight, tables.cost, tables.count
    )  # fmt: skip
    threads = threads_for(len(block))
    if threads == 1:
        kernels.choose_rows(*given, 0, len(block), levels)
    else:
        kernels.choose_block(*given, threads, levels)
    return levels
