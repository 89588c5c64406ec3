"""Exact usage of rows once some users have other levels than in the pass."""

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from bcrlsp.allocation.passes.blocks import Answer, Users
from bcrlsp.allocation.problem.constraints import Constraints, FloatArray
from bcrlsp.allocation.problem.fixed_point import Units


class Accounts:
    """The sums of a pass with some of its users at other levels.

    answer: of the pass. users, base: m users and their (m,) levels in it. units: of the sums.
    """

    def __init__(self, answer: Answer, users: Users, base: NDArray[np.int16], units: Units) -> None:
        self._group_index, self._units = users.group_index, units
        self._low, self._high = units.split(users.cost)
        self._sums = answer.sums.copy()
        self._move(self._sums, base, -1)

    def usage(self, constraints: Constraints, levels: NDArray[np.int16]) -> list[Fraction]:
        """(k,) sign * usage with the users at `levels` (m,): never less than the truth."""
        sums = self._sums.copy()
        self._move(sums, levels, 1)
        return constraints.usage(sums, self._units)

    def cost(self, levels: NDArray[np.int16]) -> Fraction:
        """What everybody's levels cost, with the users at `levels` (m,)."""
        sums = self._sums.copy()
        self._move(sums, levels, 1)
        return self._units.whole(int(sums[1].sum()), int(sums[4].sum())) * self._units.step

    def slack(self, constraints: Constraints, levels: NDArray[np.int16]) -> FloatArray:
        """(k,) room left in the rows' units (scale), below 0 exactly where a row is broken."""
        return constraints.room(self.usage(constraints, levels), scaled=True)

    def _move(self, sums: NDArray[np.int64], levels: NDArray[np.int16], sign: int) -> None:
        group_index, everyone = self._group_index, np.arange(len(self._group_index))
        np.add.at(sums[1], (group_index, levels), sign * self._low[everyone, levels])
        np.add.at(sums[2], (group_index, levels), sign)
        np.add.at(sums[4], (group_index, levels), sign * self._high[everyone, levels])
