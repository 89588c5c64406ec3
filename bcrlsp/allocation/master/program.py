"""A small linear program around the present prices: what each cell of users may change to.

    max Σ_j gain_j x_j   s.t.  Σ_j use_kj x_j <= room_k,  0 <= x_j,
                               Σ_{j of a cell} x_j <= most

A cell is one user near a change of level, with a variable for each other level
(restricted_master.py), or many users with a variable for each other price they were tried at
(columns.py). Prices stay inside a box around the centre.

What is solved is the same program seen from the centre: gains net of the centre's prices, so that
a box as narrow as the jitter between equal users still has all of the solver's digits. Leaving
room then costs the centre's price, or less where the box ends above 0; more room costs its upper
half-width. The rows' duals are the prices' distance from the centre.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from bcrlsp.allocation.problem.constraints import Constraints, FloatArray


class NoFeasiblePointError(Exception):
    """The program has no solution: the caller says which budget stands in the way."""


@dataclass(frozen=True)
class Program:
    """All arrays are over variables j, which lie in the order of their cells, rows k, patterns p.

    cells: how many. cell: (j,) whose variable. net: (j,) gain less what the centre's prices take,
    jitter included. weight: (j, p) change of what a row of the pattern counts. member: (cells, k)
    sparse, sign of each row that counts the cell. pattern: (k,). most: of a cell's variables
    together.
    """

    cells: int
    cell: NDArray[np.int64]
    net: FloatArray
    weight: FloatArray
    member: sparse.csr_matrix
    pattern: NDArray[np.int64]
    most: float

    @classmethod
    def of(
        cls,
        constraints: Constraints,
        groups: NDArray[np.integer],
        cell: NDArray[np.int64],
        net: FloatArray,
        weight: FloatArray,
        most: float,
    ) -> "Program":
        """The program of cells in these (cells,) groups."""
        member = constraints.sparse_member()[groups]
        return cls(len(groups), cell, net, weight, member, constraints.pattern, most)

    @cached_property
    def use(self) -> sparse.csr_matrix:
        """(j, k) sparse, sign * consumption."""
        mine = self.member[self.cell]
        use = sparse.csr_matrix(mine.shape)
        for p in range(self.weight.shape[1]):
            here = sparse.diags_array((self.pattern == p).astype(np.float64))
            use = use + sparse.diags_array(self.weight[:, p]) @ mine @ here
        return sparse.csr_matrix(use)

    @cached_property
    def largest(self) -> FloatArray:
        """(k,) the largest consumption of a variable of each row, either way."""
        by_cell = np.zeros((self.cells, self.weight.shape[1]))
        if len(self.cell):
            starts = np.flatnonzero(np.r_[True, self.cell[1:] != self.cell[:-1]])
            by_cell[self.cell[starts]] = np.maximum.reduceat(np.abs(self.weight), starts, axis=0)
        entries = self.member.tocoo()
        sizes = np.zeros(len(self.pattern))
        np.maximum.at(sizes, entries.col, by_cell[entries.row, self.pattern[entries.col]])
        return sizes

    def used(self, x: FloatArray) -> FloatArray:
        """(k,) sign * consumption of x (j,)."""
        return self._by_row(self.member, x[:, None] * self.weight)

    def sized(self, x: FloatArray, power: int) -> FloatArray:
        """(k,) the sum of x (j,) times a power of the size of each consumption."""
        return self._by_row(abs(self.member), x[:, None] * np.abs(self.weight) ** power)

    def _by_row(self, member: sparse.csr_matrix, amounts: FloatArray) -> FloatArray:
        by_cell = np.zeros((self.cells, amounts.shape[1]))
        for p in range(amounts.shape[1]):
            by_cell[:, p] = np.bincount(self.cell, amounts[:, p], self.cells)
        return np.asarray((member.T @ by_cell)[np.arange(len(self.pattern)), self.pattern])


@dataclass(frozen=True)
class ProgramSolution:
    """x: (j,). prices: (k,), at least 0.

    clipped: (k,) whether the price stands at its end of the box and would go further.
    """

    x: FloatArray
    prices: FloatArray
    clipped: NDArray[np.bool_]
