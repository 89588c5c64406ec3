"""A small linear program around the present prices: what each cell of users may change to.

    max Σ_j gain_j x_j   s.t.  Σ_j use_kj x_j <= room_k,  0 <= x_j,
                               Σ_{j of a cell} x_j <= most

A cell is one user near a change of level, with a variable for each other level (core.py), or many
users with a variable for each other price they were tried at (tiers.py). Prices stay inside a box
around the centre.

What is solved is the same program seen from the centre: gains net of the centre's prices, so that
a box as narrow as the jitter between equal users still has all of the solver's digits. Leaving
room then costs the centre's price, or less where the box ends above 0; more room costs its upper
half-width. The rows' duals are the prices' distance from the centre.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import linprog

from bcrlsp.allocation.rows import FloatArray

_TOLERANCE = 1e-9
_TRADED = 1e-6


class NoFeasiblePoint(Exception):
    """The program has no solution: the caller says which budget stands in the way."""


@dataclass(frozen=True)
class Program:
    """All arrays are over variables j and rows k.

    cells: how many. cell: (j,) whose variable. net: (j,) gain less what the centre's prices take,
    jitter included. use: (j, k) sparse, sign * consumption. most: of a cell's variables together.
    """

    cells: int
    cell: NDArray[np.int64]
    net: FloatArray
    use: sparse.csr_matrix
    most: float


@dataclass(frozen=True)
class ProgramSolution:
    """x: (j,). prices: (k,), at least 0.

    clipped: (k,) whether the price stands at its end of the box and would go further.
    """

    x: FloatArray
    prices: FloatArray
    clipped: NDArray[np.bool_]


def solve_program(
    program: Program, room: FloatArray, centre: FloatArray, box: FloatArray, give: float = 0.0
) -> ProgramSolution:
    """room: (k,) what the centre's choices leave of each row. centre, box: (k,) prices and their
    half-widths.

    An infinite half-width sets no bound. give: steps of room a row may leave or take at the
    centre's price. It stands for a small cost of every price's distance from the centre, so that
    of many optimal prices the nearest are found (du Merle, Villeneuve, Desrosiers, Hansen 1999).
    Raises NoFeasiblePoint.
    """
    count, rows = program.use.shape
    if rows == 0:
        return ProgramSolution(np.zeros(count), np.zeros(0), np.zeros(0, dtype=bool))
    size = np.ones(rows)
    if count:
        largest = abs(program.use).max(axis=0).toarray().ravel()
        size = np.where(largest > 0.0, largest, 1.0)
    bounded = np.flatnonzero(np.isfinite(box))
    more = box[bounded] * size[bounded]
    less = np.minimum(np.where(np.isfinite(box), box, np.inf), centre) * size
    big = max(float(np.abs(program.net).max(initial=0.0)), float(more.max(initial=0.0))) or 1.0
    equal = sparse.hstack(
        [
            (program.use @ sparse.diags_array(1.0 / size)).T,
            sparse.eye_array(rows),
            -sparse.eye_array(rows, format="csc")[:, bounded],
            *([sparse.eye_array(rows), -sparse.eye_array(rows)] if give else []),
        ],
        format="csc",
    )
    bounds = np.zeros((equal.shape[1], 2))
    bounds[:, 1] = np.inf
    bounds[:count, 1] = program.most
    bounds[count + rows + len(bounded) :, 1] = give
    once = _once(program, equal.shape[1])
    found = linprog(
        np.concatenate([-program.net, less, more, np.zeros(2 * rows if give else 0)]) / big,
        A_ub=once,
        b_ub=None if once is None else np.full(once.shape[0], program.most),
        A_eq=equal,
        b_eq=room / size,
        bounds=bounds,
        method="highs-ds",
        options={
            "primal_feasibility_tolerance": _TOLERANCE,
            "dual_feasibility_tolerance": _TOLERANCE,
        },
    )
    if found.status != 0:
        raise NoFeasiblePoint
    prices = np.maximum(centre - found.eqlin.marginals * big / size, 0.0)
    sold = (found.x[count : count + rows] > _TRADED) & (box < centre)
    bought = np.zeros(rows, dtype=bool)
    bought[bounded] = found.x[count + rows : count + rows + len(bounded)] > _TRADED
    return ProgramSolution(found.x[:count], prices, sold | bought)


def _once(program: Program, columns: int) -> sparse.csr_matrix | None:
    """One row for each cell with several variables."""
    several = np.flatnonzero(np.bincount(program.cell, minlength=program.cells) > 1)
    if len(several) == 0:
        return None
    number = np.full(program.cells, -1)
    number[several] = np.arange(len(several))
    mine = np.flatnonzero(number[program.cell] >= 0)
    return sparse.csr_matrix(
        (np.ones(len(mine)), (number[program.cell[mine]], mine)), shape=(len(several), columns)
    )
