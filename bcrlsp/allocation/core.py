"""The linear program of the users that are near a change of level, all others held fixed.

    max Σ_j gain_j x_j   s.t.  Σ_j use_kj x_j <= room_k,  0 <= x_j <= 1 / share,
                               Σ_{j of a user} x_j <= 1 / share

with one variable for each other level of each user. Where only a share of the near users was
brought along, each stands for 1 / share of them. Prices stay inside a box around the centre.

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

from bcrlsp.allocation.blocks import Users
from bcrlsp.allocation.rows import FloatArray, Rows

_TOLERANCE = 1e-9
_TRADED = 1e-6


class NoFeasiblePoint(Exception):  # noqa: N818
    """The program has no solution: the caller says which budget stands in the way."""


@dataclass(frozen=True)
class Core:
    """The variables. All arrays are over variables j, users i or rows k.

    users: m users. base: (m,) their present levels. user, level: (j,) whose variable, which level.
    gain: (j,) objective over the base's. net: (j,) the same less what the centre's prices take.
    use: (j, k) sparse, sign * consumption over the base's.
    share: part of the near users that were brought along.
    """

    users: Users
    base: NDArray[np.int16]
    user: NDArray[np.int64]
    level: NDArray[np.int64]
    gain: FloatArray
    net: FloatArray
    use: sparse.csr_matrix
    share: float


@dataclass(frozen=True)
class CoreSolution:
    """x: (j,) in users. prices: (k,), at least 0.

    clipped: (k,) whether the price stands at its end of the box and would go further.
    """

    x: FloatArray
    prices: FloatArray
    clipped: NDArray[np.bool_]


def build_core(
    rows: Rows,
    users: Users,
    base: NDArray[np.int16],
    merit: FloatArray,
    score: FloatArray,
    near: NDArray[np.bool_],
    share: float,
) -> Core:
    """The variables of `users`.

    merit: (m, a) what a level is worth before prices, score: (m, a) after the centre's.
    near: (m, a) levels to consider.
    """
    wanted = near & np.isfinite(merit)
    wanted[np.arange(len(users)), base] = False
    user, level = np.nonzero(wanted)
    weights = rows.weights(users.cost)
    more = weights[user, :, level] - weights[user, :, base[user]]
    member = rows.sparse_member()[users.code[user]]
    use = sparse.csr_matrix((len(user), len(rows)))
    for p in range(len(rows.alpha)):
        mine = sparse.diags_array((rows.pattern == p).astype(np.float64))
        use = use + sparse.diags_array(more[:, p]) @ member @ mine
    before = base[user]
    return Core(
        users,
        base,
        user,
        level,
        merit[user, level] - merit[user, before],
        score[user, level] - score[user, before],
        sparse.csr_matrix(use),
        share,
    )


def solve_core(core: Core, room: FloatArray, centre: FloatArray, box: FloatArray) -> CoreSolution:
    """room: (k,) what the base levels leave of each row. centre, box: (k,) prices, half-widths.

    An infinite half-width sets no bound. Raises NoFeasiblePoint.
    """
    count, rows = core.use.shape
    if rows == 0:
        return CoreSolution(np.zeros(count), np.zeros(0), np.zeros(0, dtype=bool))
    size = np.ones(rows)
    if count:
        largest = abs(core.use).max(axis=0).toarray().ravel()
        size = np.where(largest > 0.0, largest, 1.0)
    bounded = np.flatnonzero(np.isfinite(box))
    more = box[bounded] * size[bounded]
    less = np.minimum(np.where(np.isfinite(box), box, np.inf), centre) * size
    big = max(float(np.abs(core.net).max(initial=0.0)), float(more.max(initial=0.0))) or 1.0
    equal = sparse.hstack(
        [
            (core.use @ sparse.diags_array(1.0 / size)).T,
            sparse.eye_array(rows),
            -sparse.eye_array(rows, format="csc")[:, bounded],
        ],
        format="csc",
    )
    bounds = np.zeros((equal.shape[1], 2))
    bounds[:, 1] = np.inf
    bounds[:count, 1] = 1.0 / core.share
    once = _once(core, equal.shape[1])
    found = linprog(
        np.concatenate([-core.net, less, more]) / big,
        A_ub=once,
        b_ub=None if once is None else np.full(once.shape[0], 1.0 / core.share),
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
    bought[bounded] = found.x[count + rows :] > _TRADED
    return CoreSolution(found.x[:count], prices, sold | bought)


def _once(core: Core, columns: int) -> sparse.csr_matrix | None:
    """One row for each user with several variables: only one of them in all."""
    several = np.flatnonzero(np.bincount(core.user, minlength=len(core.users)) > 1)
    if len(several) == 0:
        return None
    number = np.full(len(core.users), -1)
    number[several] = np.arange(len(several))
    mine = np.flatnonzero(number[core.user] >= 0)
    return sparse.csr_matrix(
        (np.ones(len(mine)), (number[core.user[mine]], mine)), shape=(len(several), columns)
    )
