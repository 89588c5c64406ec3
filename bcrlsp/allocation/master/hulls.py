"""A program's optimum where all rows count alike, such as many budgets of money.

Then a cell meets one price, the sum over its rows. Whatever that is, its choice is a corner of the
upper concave hull of gain over consumption, and from the cheapest corner on it takes the hull's
steps in falling order of gain per unit (Sinha, Zoltners 1979, The multiple-choice knapsack
problem). So a variable a level and a row a cell become a variable a step: steps that every price in
the box takes, or none, drop out, and of one row the rest need only be sorted.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from bcrlsp.allocation.master.highs import TRADED, Box, simplex
from bcrlsp.allocation.master.program import NoFeasiblePointError, Program, ProgramSolution
from bcrlsp.allocation.problem.constraints import FloatArray
from bcrlsp.compiled import compiled

_SIFTED = 1500


@dataclass(frozen=True)
class Steps:
    """The hulls' steps s, cell by cell and in falling order of gain per unit.

    first: (cells,) consumption at the cheapest corner. at: (cells,) its variable, -1 for the
    base. cell, gain, use: (s,) of each step, use above 0. to: (s,) the variable it leads to.
    """

    first: FloatArray
    at: NDArray[np.int64]
    cell: NDArray[np.int64]
    gain: FloatArray
    use: FloatArray
    to: NDArray[np.int64]


def solve_hulls(program: Program, room: FloatArray, box: Box) -> ProgramSolution:
    """As highs.solve_program, of a program with one pattern. Raises NoFeasiblePointError."""
    member, most, alone = program.member, program.most, len(room) == 1
    # One row alone is counted with its sign, so that a higher price always takes fewer steps.
    sign = np.asarray(member.sum(axis=1)).ravel() if alone else np.ones(program.cells)
    sign = np.where(sign == 0.0, 1.0, sign)
    member = abs(member) if alone else member
    steps = steps_of(program, sign)
    left = room - most * (member.T @ steps.first)
    size = np.where(program.largest > 0.0, program.largest, 1.0)
    slope = steps.gain / steps.use
    up, down = _reach(member, box)
    taken = np.where(slope > up[steps.cell], most, 0.0)
    free = np.flatnonzero((slope <= up[steps.cell]) & (slope >= -down[steps.cell]))
    left = left - member.T @ np.bincount(steps.cell, taken * steps.use, program.cells)
    if alone:
        free = free[np.diff(member.indptr)[steps.cell[free]] > 0]
        free = free[np.argsort(-slope[free], kind="stable")]
        given = box.give * float(size[0])
        ends = float(box.width[0]), float(box.below[0])
        slack = TRADED * float(size[0])
        taken[free], moved, over = _by_slope(
            slope[free], steps.use[free] * most, float(left[0]), given, *ends, slack
        )
        taken[free] *= most
        if over > 0 and np.isinf(ends[0]):
            raise NoFeasiblePointError
        prices = np.maximum(box.centre + moved, 0.0)
        clipped = np.array([over > 0 or (over < 0 and box.width[0] < box.centre[0])])
    else:
        prices, clipped = _sift(program, steps, slope, free, taken, left, size, box)
    x = np.zeros(len(program.net))
    _corners(steps.at, steps.cell, steps.use, steps.to, taken, most, x)
    return ProgramSolution(x, prices, clipped)


def _sift(
    program: Program,
    steps: Steps,
    slope: FloatArray,
    free: NDArray[np.int64],
    taken: FloatArray,
    left: FloatArray,
    size: FloatArray,
    box: Box,
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Prices and where they are clipped; fills the part taken of the free steps.

    The program of the steps nearest to the centre's prices; the others are taken or not as there.
    Those that the prices found say otherwise of come in, until there are none.
    """
    member, most = program.member[steps.cell[free]], program.most
    along, use = slope[free], steps.use[free]
    asked = np.ones(len(free), dtype=bool)
    if len(free) > _SIFTED:
        asked = np.abs(along) <= np.partition(np.abs(along), _SIFTED)[_SIFTED]
    while True:
        taken[free] = np.where(along > 0.0, most, 0.0)
        rest = np.where(asked, 0.0, taken[free]) * use
        try:
            part = simplex(
                steps.gain[free[asked]],
                sparse.csr_matrix(sparse.diags_array(use[asked]) @ member[asked]),
                np.full(int(asked.sum()), most), None, most, left - member.T @ rest, size, box,
            )  # fmt: skip
        except NoFeasiblePointError:
            if asked.all():
                raise
            asked[:] = True
            continue
        taken[free[asked]] = part.x
        moved = member @ (part.prices - box.centre)
        wrong = ~asked & ((along > 0.0) != (along > moved))
        if not wrong.any():
            return part.prices, part.clipped
        asked |= wrong


def steps_of(program: Program, sign: FloatArray) -> Steps:
    """The steps of all hulls. sign: (cells,) 1 or -1, with which consumption is counted."""
    count, use = len(program.net), program.weight[:, 0] * sign[program.cell]
    starts = np.searchsorted(program.cell, np.arange(program.cells + 1))
    first, at = np.empty(program.cells), np.empty(program.cells, dtype=np.int64)
    cell, to = np.empty(count, dtype=np.int64), np.empty(count, dtype=np.int64)
    gain, by = np.empty(count), np.empty(count)
    found = _hulls(starts, program.net, use, first, at, cell, gain, by, to)
    return Steps(first, at, cell[:found], gain[:found], by[:found], to[:found])


def _reach(member: sparse.csr_matrix, box: Box) -> tuple[FloatArray, FloatArray]:
    """(cells,) how far the price that a cell meets may rise, and fall."""
    caps, floors = member.copy(), -member
    caps.data, floors.data = np.maximum(caps.data, 0.0), np.maximum(floors.data, 0.0)
    caps.eliminate_zeros()
    floors.eliminate_zeros()
    return caps @ box.width + floors @ box.below, caps @ box.below + floors @ box.width


@compiled()
def _hulls(starts, net, use, first, at, cell, gain, by, to):  # type: ignore[no-untyped-def]
    """Fills the arrays of Steps and returns how many steps there are.

    starts: (cells + 1,) where each cell's variables begin; the base is (0, 0) besides.
    """
    widest = 1
    for c in range(len(first)):
        widest = max(widest, starts[c + 1] - starts[c] + 1)
    order = np.empty(widest, dtype=np.int64)
    x, y = np.empty(widest), np.empty(widest)
    found = 0
    for c in range(len(first)):
        size = 0
        for j in range(starts[c] - 1, starts[c + 1]):
            # The base comes first, as number -1.
            number = j if j >= starts[c] else -1
            u = 0.0 if number < 0 else use[number]
            v = 0.0 if number < 0 else net[number]
            place = size
            while place > 0 and (x[place - 1] > u or (x[place - 1] == u and y[place - 1] < v)):
                x[place], y[place], order[place] = x[place - 1], y[place - 1], order[place - 1]
                place -= 1
            x[place], y[place], order[place] = u, v, number
            size += 1
        top = 0
        for i in range(1, size):
            if x[i] == x[top]:
                continue
            while top > 0 and (y[top] - y[top - 1]) * (x[i] - x[top]) < (y[i] - y[top]) * (
                x[top] - x[top - 1]
            ):
                top -= 1
            top += 1
            x[top], y[top], order[top] = x[i], y[i], order[i]
        first[c], at[c] = x[0], order[0]
        for i in range(1, top + 1):
            cell[found], to[found] = c, order[i]
            gain[found], by[found] = y[i] - y[i - 1], x[i] - x[i - 1]
            found += 1
    return found


@compiled()
def _by_slope(slope, use, room, give, width, below, traded):  # type: ignore[no-untyped-def]
    """Part of each step that is taken, how far the price moves, and where it would go further.

    slope: (s,) falling, from width to -below. Last: 1 above the box, -1 below it, 0 inside.
    """
    part = np.zeros(len(slope))
    if room + give < -traded:
        return part, width, 1
    for i in range(len(slope)):
        # Above the centre's price the row takes room that is not there, below it leaves some.
        if slope[i] < 0.0 and room - give <= 0.0:
            return part, 0.0, 0
        left = room + give if slope[i] >= 0.0 else room - give
        if use[i] > left:
            part[i] = max(left, 0.0) / use[i]
            return part, slope[i], 0
        part[i] = 1.0
        room -= use[i]
    if room - give <= 0.0:
        return part, 0.0, 0
    return part, -below, -1 if room - give > traded else 0


@compiled()
def _corners(at, cell, use, to, taken, most, x):  # type: ignore[no-untyped-def]
    """Fills x (j,) with the corners that the steps lead to, each cell's filled in their order."""
    i = 0
    for c in range(len(at)):
        end, total = i, 0.0
        while end < len(cell) and cell[end] == c:
            total += taken[end] * use[end]
            end += 1
        here, before = at[c], most
        while i < end:
            step = min(most, max(total, 0.0) / use[i])
            total -= step * use[i]
            if here >= 0:
                x[here] += before - step
            here, before = to[i], step
            i += 1
        if here >= 0:
            x[here] += before
