"""Users in this process's memory, as the search sees them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bcrlsp.allocation.passes.blocks import Answer, Block, Query, Source, Users, scan, sums_of
from bcrlsp.allocation.problem.constraints import FloatArray, PriceTables
from bcrlsp.allocation.problem.fixed_point import Units


class ArraySource:
    """Users in this process's memory."""

    def __init__(
        self,
        blocks: Sequence[Block],
        sizes: NDArray[np.int64],
        units: Units,
        scale: float,
        top_cost: FloatArray,
    ) -> None:
        self.blocks = blocks
        self.users = sum(len(block) for block in blocks)
        self.sizes, self.units, self.scale, self.top_cost = sizes, units, scale, top_cost

    @classmethod
    def of_sample(cls, users: Users, whole: Source) -> "ArraySource":
        """A sample of `whole` as a source of its own."""
        block = Block(users.value, users.cost, users.group_index, users.hashes)
        sizes = np.bincount(users.group_index, minlength=len(whole.sizes)).astype(np.int64)
        return cls([block], sizes, whole.units, whole.scale, whole.top_cost)

    def scan(self, query: Query) -> Answer:
        """The merged answer of all blocks."""
        return Answer.merge(scan(block, query, i) for i, block in enumerate(self.blocks))

    def sums(self, weight: float, tables: Sequence[PriceTables]) -> NDArray[np.int64]:
        """(j, 5, g, a) sums of the best choices under each of several tables (see Answer)."""
        several = [sums_of(block, weight, tables, self.units) for block in self.blocks]
        return np.asarray(np.sum(several, axis=0))

    def sample(self, count: int) -> Users:
        """The `count` users with the lowest hashes."""
        hashes = np.concatenate([block.hashes for block in self.blocks])
        top = np.partition(hashes, count - 1)[count - 1] if count < self.users else hashes.max()
        return Users.merge(
            [Users.take(block, block.hashes <= top, i) for i, block in enumerate(self.blocks)]
        ).first(count)
