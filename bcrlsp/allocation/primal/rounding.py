"""From the program's optimum to one level a user, within every budget.

At most one user a row is fractional. Everybody takes the level with the largest part; what is then
above a cap or below a floor is repaired by the moves that lose least, and what room is left is
filled by the moves that gain most. Where no such sequence of moves ends within the budgets, a
small integer program decides.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp

from bcrlsp.allocation.master.restricted_master import RestrictedMaster
from bcrlsp.allocation.passes.blocks import Users
from bcrlsp.allocation.passes.dominated import NOISE
from bcrlsp.allocation.problem.constraints import Constraints, FloatArray
from bcrlsp.allocation.problem.fixed_point import Units
from bcrlsp.compiled import compiled

MOVES = 2000
_ROUNDS = 4
_INTEGER_USERS = 400
NOISE_OF_SUMS = 2.0**-48


class NoIntegralPointError(Exception):
    """No choice keeps every row. row: which is broken in the best one, by how much."""

    def __init__(self, row: int, excess: float) -> None:
        super().__init__(row, excess)
        self.row, self.excess = row, excess


@dataclass(frozen=True)
class Moves:
    """What every level of the movable users does.

    coefficient: (m, a) objective, -inf where not allowed. use: (m, a, r) sign * consumption, of the
    rows
    row: (m, r), -1 where a user is in fewer rows.
    """

    coefficient: FloatArray
    use: FloatArray
    row: NDArray[np.int64]


def moves_of(
    constraints: Constraints, users: Users, coefficient: FloatArray, units: Units
) -> Moves:
    """Moves of `users`; uses are in the rows' units, costs as in the sums."""
    most = int(constraints.member.sum(axis=0).max(initial=0))
    by_group = np.full((constraints.member.shape[1], most), -1, dtype=np.int64)
    for g in range(len(by_group)):
        mine = np.flatnonzero(constraints.member[:, g])
        by_group[g, : len(mine)] = mine
    row = by_group[users.group_index]
    whole = np.ceil(users.cost * units.per_cost - units.doubt)
    use = np.zeros((len(users), users.cost.shape[1], most))
    for r in range(most):
        here = np.flatnonzero(row[:, r] >= 0)
        k = row[here, r]
        pattern, scale = constraints.pattern[k], constraints.scale[k][:, None]
        # Whole units of money stay whole numbers, and sums of them exact.
        money = whole[here] * (scale / units.per_cost)
        counted = constraints.alpha[pattern] * money + constraints.beta[pattern] * scale
        use[here, :, r] = counted * constraints.sign[k][:, None]
    return Moves(coefficient, use, row)


def round_levels(
    moves: Moves,
    start: NDArray[np.int16],
    slack_of: Callable[[NDArray[np.int16]], FloatArray],
) -> NDArray[np.int16]:
    """(m,) levels that keep every row.

    start: (m,) levels to begin at. slack_of: levels (m,) -> (k,) exact room that they leave.
    Raises NoIntegralPointError.
    """
    levels = start.copy()
    slack = slack_of(levels)
    size = largest_use(moves, len(slack))
    for _ in range(_ROUNDS):
        if not np.any(slack < 0.0):
            break
        if not repair(moves.coefficient, moves.use, moves.row, slack, size, levels, MOVES):
            levels = _integer(moves, start, slack_of(start), size)
        # Moves sum up rounding errors: what counts is the exact slack of where they lead.
        slack = slack_of(levels)
    if np.any(slack < 0.0):
        worst = int(np.argmin(slack / size))
        raise NoIntegralPointError(worst, -float(slack[worst]))
    return levels


def largest_part(restricted: RestrictedMaster, x: FloatArray) -> NDArray[np.int16]:
    """(m,) the level with the largest part in a solution x (j,) of the restricted master."""
    part = np.zeros(restricted.users.value.shape)
    part[restricted.program.cell, restricted.level] = x * restricted.share
    part[np.arange(len(part)), restricted.base] = 1.0 - part.sum(axis=1)
    return np.asarray(np.argmax(part, axis=1), dtype=np.int16)


def largest_use(moves: Moves, constraints: int) -> FloatArray:
    """(k,) the largest consumption of one user, 1 where there is none."""
    size = np.zeros(constraints)
    for r in range(moves.row.shape[1]):
        here = moves.row[:, r] >= 0
        reach = np.abs(moves.use[here, :, r]).max(axis=1, initial=0.0)
        np.maximum.at(size, moves.row[here, r], reach)
    return np.where(size > 0.0, size, 1.0)


def noise_of(before: FloatArray, after: FloatArray) -> FloatArray:
    """How far gains from `before` to `after`, of the same users, may be off by rounding."""
    return NOISE * np.maximum(np.abs(before), np.abs(after))


@compiled()
def repair(coefficient, use, row, slack, size, levels, most):  # type: ignore[no-untyped-def]
    """Moves until no row is broken; False when no single move helps."""
    for _ in range(most):
        broken = False
        for k in range(len(slack)):
            broken = broken or slack[k] < 0.0
        if not broken:
            return True
        best, best_i, best_a = np.inf, -1, -1
        for i in range(len(levels)):
            b = levels[i]
            touched = False
            for r in range(row.shape[1]):
                k = row[i, r]
                touched = touched or (k >= 0 and slack[k] < 0.0)
            if not touched:
                continue
            for a in range(coefficient.shape[1]):
                if a == b or coefficient[i, a] == -np.inf:
                    continue
                mended = 0.0
                for r in range(row.shape[1]):
                    k = row[i, r]
                    if k >= 0:
                        after = slack[k] - (use[i, a, r] - use[i, b, r])
                        mended += (min(after, 0.0) - min(slack[k], 0.0)) / size[k]
                if mended > 0.0:
                    loss = (coefficient[i, b] - coefficient[i, a]) / mended
                    if loss < best:
                        best, best_i, best_a = loss, i, a
        if best_i < 0:
            return False
        _move(use, row, slack, levels, best_i, best_a)
    return False


@compiled()
def fill(coefficient, use, row, slack, levels, most):  # type: ignore[no-untyped-def]
    """Takes the move of the largest gain that every row has room for, until there is none."""
    for _ in range(most):
        best, best_i, best_a = 0.0, -1, -1
        for i in range(len(levels)):
            b = levels[i]
            for a in range(coefficient.shape[1]):
                gain = coefficient[i, a] - coefficient[i, b]
                if not gain > best:
                    continue
                fits = True
                for r in range(row.shape[1]):
                    k = row[i, r]
                    if k >= 0:
                        fits = fits and use[i, a, r] - use[i, b, r] <= slack[k]
                if fits:
                    best, best_i, best_a = gain, i, a
        if best_i < 0:
            return
        _move(use, row, slack, levels, best_i, best_a)


@compiled()
def _move(use, row, slack, levels, i, a):  # type: ignore[no-untyped-def]
    for r in range(row.shape[1]):
        k = row[i, r]
        if k >= 0:
            slack[k] -= use[i, a, r] - use[i, levels[i], r]
    levels[i] = a


def _integer(
    moves: Moves, start: NDArray[np.int16], room: FloatArray, size: FloatArray
) -> NDArray[np.int16]:
    """Levels that keep every row if any do, by an integer program over some of the users.

    room: (k,) what the levels `start` leave.
    """
    levels = start.copy()
    some = np.arange(min(len(levels), _INTEGER_USERS))
    user, level = np.nonzero(np.isfinite(moves.coefficient[some]))
    variables, constraints = len(user), len(room)
    change = moves.use[user, level] - moves.use[user, levels[user]]
    entries = [
        sparse.csr_matrix((change[here, r] / size[k], (k, here)), shape=(constraints, variables))
        for r in range(moves.row.shape[1])
        for here in [np.flatnonzero(moves.row[user, r] >= 0)]
        for k in [moves.row[user[here], r]]
    ]
    use = sum(entries[1:], entries[0])
    one = sparse.csr_matrix(
        (np.ones(variables), (user, np.arange(variables))), shape=(len(some), variables)
    )
    blank = sparse.csr_matrix((len(some), constraints))
    coefficient = moves.coefficient[user, level]
    spread = float(np.ptp(coefficient)) or 1.0
    found = milp(
        np.concatenate([-coefficient / spread, np.full(constraints, 10.0 * len(some))]),
        integrality=np.concatenate([np.ones(variables), np.zeros(constraints)]),
        bounds=Bounds(0.0, np.concatenate([np.ones(variables), np.full(constraints, np.inf)])),
        constraints=[
            LinearConstraint(
                sparse.hstack([use, -sparse.eye_array(constraints)]), -np.inf, room / size
            ),
            LinearConstraint(sparse.hstack([one, blank]), 1.0, 1.0),
        ],
        options={"node_limit": 20_000},
    )
    if found.x is not None:
        picked = found.x[:variables] > 0.5
        levels[user[picked]] = level[picked].astype(np.int16)
    return levels
