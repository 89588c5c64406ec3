"""Exact usage of rows once some users have other levels than in the pass."""

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from bcrlsp.allocation.blocks import Answer, Users
from bcrlsp.allocation.fixed import Units
from bcrlsp.allocation.rows import FloatArray, Rows


class Accounts:
    """The sums of a pass with some of its users at other levels.

    answer: of the pass. users, base: m users and their (m,) levels in it. units: of the sums.
    """

    def __init__(self, answer: Answer, users: Users, base: NDArray[np.int16], units: Units) -> None:
        self._code, self._units = users.code, units
        self._low, self._high = units.split(users.cost)
        self._sums = answer.sums.copy()
        self._move(self._sums, base, -1)

    def usage(self, rows: Rows, levels: NDArray[np.int16]) -> list[Fraction]:
        """(k,) sign * usage with the users at `levels` (m,): never less than the truth."""
        sums = self._sums.copy()
        self._move(sums, levels, 1)
        return rows.usage(sums, self._units)

    def cost(self, levels: NDArray[np.int16]) -> Fraction:
        """What everybody's levels cost, with the users at `levels` (m,)."""
        sums = self._sums.copy()
        self._move(sums, levels, 1)
        return self._units.whole(int(sums[1].sum()), int(sums[4].sum())) * self._units.step

    def slack(self, rows: Rows, levels: NDArray[np.int16]) -> FloatArray:
        """(k,) room left in the rows' units (scale), below 0 exactly where a row is broken."""
        return rows.room(self.usage(rows, levels), scaled=True)

    def _move(self, sums: NDArray[np.int64], levels: NDArray[np.int16], sign: int) -> None:
        code, everyone = self._code, np.arange(len(self._code))
        np.add.at(sums[1], (code, levels), sign * self._low[everyone, levels])
        np.add.at(sums[2], (code, levels), sign)
        np.add.at(sums[4], (code, levels), sign * self._high[everyone, levels])
