"""The cheapest levels of the same worth where floors make spend without value.

Users whose levels cost and count alike are one kind: how many of each kind take which level is a
small integer program, however many users there are.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp

from bcrlsp.allocation.primal.rounding import Moves
from bcrlsp.allocation.problem.constraints import FloatArray

_KINDS, _NODES, _CLOSE = 1000, 100, 1e-6

Levels = NDArray[np.int16]


def cheapest(
    moves: Moves,
    group_index: NDArray[np.int32],
    cost: FloatArray,
    levels: Levels,
    slack_of: Callable[[Levels], FloatArray],
) -> Levels:
    """(m,) levels that are worth no less, keep every row and cost the least found.

    group_index: (m,) groups. cost: (m, a). levels: (m,), returned where none are found, or none
    cheaper where they keep every row. Up to `_KINDS` kinds of users are looked at, those first that
    may cost less, and `_CLOSE` of the cost is near enough.
    """
    everyone = np.arange(len(levels))
    free = moves.coefficient >= moves.coefficient[everyone, levels][:, None]
    paid = cost[everyone, levels]
    saving = paid - np.where(free, cost, np.inf).min(axis=1)
    movable = free.sum(axis=1) > 1
    kept = bool(np.all(slack_of(levels) >= 0.0))
    if not movable.any() or (kept and not (saving[movable] > 0.0).any()):
        return levels
    users = np.flatnonzero(movable)
    key = np.column_stack([group_index[users], np.where(free, cost, -1.0)[users]])
    _, first, kind = np.unique(key, axis=0, return_index=True, return_inverse=True)
    kind = kind.ravel()
    if len(first) > _KINDS:
        most = np.zeros(len(first))
        np.maximum.at(most, kind, saving[users])
        some = np.zeros(len(first), dtype=bool)
        some[np.argsort(-most, kind="stable")[: _KINDS // 2]] = True
        some[np.flatnonzero(~some)[: _KINDS // 2]] = True
        users, number = users[some[kind]], (np.cumsum(some) - 1)[kind[some[kind]]]
        kind, first = number, np.unique(number, return_index=True)[1]
    counts = _counts(moves, cost, levels, slack_of(levels), users, kind, users[first])
    if counts is None:
        return levels
    assignment = _shared_out(levels, users, kind, counts)
    better = not kept or cost[everyone, assignment].sum() < paid.sum()
    return assignment if better and np.all(slack_of(assignment) >= 0.0) else levels


def _counts(
    moves: Moves,
    cost: FloatArray,
    levels: Levels,
    slack: FloatArray,
    users: NDArray[np.int64],
    kind: NDArray[np.int64],
    example: NDArray[np.int64],
) -> NDArray[np.int64] | None:
    """(kinds, a) how many users of each kind take each level; None where nothing was found.

    users: (u,) that may move, kind: (u,) of each, example: (kinds,) a user of each.
    """
    size = np.bincount(kind)
    free = moves.coefficient[example] >= moves.coefficient[example, levels[example]][:, None]
    which, level = np.nonzero(free)
    one = example[which]
    room = slack.copy()
    for r in range(moves.row.shape[1]):
        here = users[moves.row[users, r] >= 0]
        np.add.at(room, moves.row[here, r], moves.use[here, levels[here], r])
    entries = [
        sparse.csr_matrix(
            (moves.use[one[here], level[here], r], (moves.row[one[here], r], here)),
            shape=(len(room), len(one)),
        )
        for r in range(moves.row.shape[1])
        for here in [np.flatnonzero(moves.row[one, r] >= 0)]
    ]
    each = sparse.csr_matrix((np.ones(len(one)), (which, np.arange(len(one)))))
    assignment = milp(
        cost[one, level] / max(float(cost[one, level].max()), 1e-300),
        integrality=np.ones(len(one)),
        bounds=Bounds(0.0, size[which].astype(np.float64)),
        constraints=[
            LinearConstraint(sum(entries[1:], entries[0]), -np.inf, room),
            LinearConstraint(each, size.astype(np.float64), size.astype(np.float64)),
        ],
        options={"node_limit": _NODES, "mip_rel_gap": _CLOSE},
    )
    if assignment.x is None:
        return None
    counts = np.zeros(free.shape, dtype=np.int64)
    counts[which, level] = np.rint(assignment.x)
    return counts if np.array_equal(counts.sum(axis=1), size) else None


def _shared_out(
    levels: Levels, users: NDArray[np.int64], kind: NDArray[np.int64], counts: NDArray[np.int64]
) -> Levels:
    """Levels with these counts; the first users of a kind get the highest ones."""
    assignment = levels.copy()
    order = np.argsort(kind, kind="stable")
    several = np.arange(counts.shape[1])[::-1]
    assignment[users[order]] = np.concatenate([np.repeat(several, row[::-1]) for row in counts])
    return assignment
