"""A program's optimum by SciPy's HiGHS, with a variable for each level or each step of a hull."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.optimize import linprog

from bcrlsp.allocation.master.program import NoFeasiblePointError, Program, ProgramSolution
from bcrlsp.allocation.problem.constraints import FloatArray

_TOLERANCE = 1e-9
TRADED = 1e-6


@dataclass(frozen=True)
class Box:
    """Where prices may be. centre, width: (k,) prices and half-widths, infinite for no bound.

    give: steps of room a row may leave or take at the centre's price. It stands for a small cost
    of every price's distance from the centre, so that of many optimal prices the nearest are found
    (du Merle, Villeneuve, Desrosiers, Hansen 1999).
    """

    centre: FloatArray
    width: FloatArray
    give: float = 0.0

    @property
    def below(self) -> FloatArray:
        """(k,) how far prices may fall: never below 0."""
        return np.minimum(self.width, self.centre)


def solve_program(program: Program, room: FloatArray, box: Box) -> ProgramSolution:
    """The optimum. room: (k,) what the centre's choices leave. Raises NoFeasiblePointError."""
    if not len(room):
        return ProgramSolution(np.zeros(len(program.net)), np.zeros(0), np.zeros(0, dtype=bool))
    size = np.where(program.largest > 0.0, program.largest, 1.0)
    return simplex(
        program.net, program.use, np.full(len(program.net), program.most), _once(program),
        program.most, room, size, box,
    )  # fmt: skip


def simplex(
    net: FloatArray,
    use: sparse.csr_matrix,
    most: FloatArray,
    once: sparse.csr_matrix | None,
    together: float,
    room: FloatArray,
    size: FloatArray,
    box: Box,
) -> ProgramSolution:
    """The optimum over 0 <= x <= most with once @ x <= together.

    net, most: (j,). use: (j, k). once: (c, j), None for none. room, size: (k,), size the scale of
    each row. Raises NoFeasiblePointError.
    """
    count, rows = use.shape
    bounded = np.flatnonzero(np.isfinite(box.width))
    more, less = box.width[bounded] * size[bounded], box.below * size
    big = max(float(np.abs(net).max(initial=0.0)), float(more.max(initial=0.0))) or 1.0
    equal = sparse.hstack(
        [
            (use @ sparse.diags_array(1.0 / size)).T,
            sparse.eye_array(rows),
            -sparse.eye_array(rows, format="csc")[:, bounded],
            *([sparse.eye_array(rows), -sparse.eye_array(rows)] if box.give else []),
        ],
        format="csc",
    )
    bounds = np.zeros((equal.shape[1], 2))
    bounds[:, 1] = np.inf
    bounds[:count, 1] = most
    bounds[count + rows + len(bounded) :, 1] = box.give
    if once is not None:
        wide = sparse.csr_matrix((once.shape[0], equal.shape[1] - count))
        once = sparse.hstack([once, wide], format="csr")
    answer = linprog(
        np.concatenate([-net, less, more, np.zeros(2 * rows if box.give else 0)]) / big,
        A_ub=once,
        b_ub=None if once is None else np.full(once.shape[0], together),
        A_eq=equal,
        b_eq=room / size,
        bounds=bounds,
        method="highs-ds",
        options={
            "primal_feasibility_tolerance": _TOLERANCE,
            "dual_feasibility_tolerance": _TOLERANCE,
            # Few rows, and no column that steps of hulls have not dropped already.
            "presolve": once is not None,
        },
    )
    if answer.status != 0:
        raise NoFeasiblePointError
    prices = np.maximum(box.centre - answer.eqlin.marginals * big / size, 0.0)
    sold = (answer.x[count : count + rows] > TRADED) & (box.width < box.centre)
    bought = np.zeros(rows, dtype=bool)
    bought[bounded] = answer.x[count + rows : count + rows + len(bounded)] > TRADED
    return ProgramSolution(answer.x[:count], prices, sold | bought)


def _once(program: Program) -> sparse.csr_matrix | None:
    """One row for each cell with several variables."""
    several = np.flatnonzero(np.bincount(program.cell, minlength=program.cells) > 1)
    if len(several) == 0:
        return None
    number = np.full(program.cells, -1)
    number[several] = np.arange(len(several))
    mine = np.flatnonzero(number[program.cell] >= 0)
    return sparse.csr_matrix(
        (np.ones(len(mine)), (number[program.cell[mine]], mine)),
        shape=(len(several), len(program.net)),
    )
