"""Exact usage of rows once some users have other levels than in the pass."""

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from bcrlsp.allocation.blocks import Answer, Users
from bcrlsp.allocation.rows import FloatArray, Rows


class Accounts:
    """The sums of a pass with some of its users at other levels.

    answer: of the pass. users, base: m users and their (m,) levels in it. unit: of the costs' sums.
    """

    def __init__(self, answer: Answer, users: Users, base: NDArray[np.int16], unit: float) -> None:
        self._code, self._unit = users.code, unit
        self._costs = np.ceil(users.cost / unit).astype(np.int64)
        self._cost, self._count = answer.cost.copy(), answer.count.copy()
        self._move(self._cost, self._count, base, -1)

    def usage(self, rows: Rows, levels: NDArray[np.int16]) -> list[Fraction]:
        """(k,) sign * usage with the users at `levels` (m,): never less than the truth."""
        cost, count = self._cost.copy(), self._count.copy()
        self._move(cost, count, levels, 1)
        return rows.usage(cost, count, self._unit)

    def slack(self, rows: Rows, levels: NDArray[np.int16]) -> FloatArray:
        """(k,) room left, below 0 exactly where a row is broken."""
        used = self.usage(rows, levels)
        return np.array(
            [float(Fraction(float(b)) - u) for b, u in zip(rows.rhs, used, strict=True)]
        )

    def _move(
        self,
        cost: NDArray[np.int64],
        count: NDArray[np.int64],
        levels: NDArray[np.int16],
        sign: int,
    ) -> None:
        code = self._code
        np.add.at(cost, (code, levels), sign * self._costs[np.arange(len(code)), levels])
        np.add.at(count, (code, levels), sign)
