"""Pairs of moves that use up the room that no single move fits into.

After rounding, each budget is left with less than one step. One user a step up and another a step
down often fit where neither fits alone; among users that are all near a tie such a pair loses next
to nothing. Pairs are looked for within a group, whose users are in the same rows.
"""

import numba
import numpy as np
from numpy.typing import NDArray

from bcrlsp.allocation.rounding import Moves
from bcrlsp.allocation.rows import FloatArray

_PAIRS = 4_000_000
_FEWEST, _MOST = 48, 1500
_ROUNDS = 12


def exchange(
    moves: Moves,
    code: NDArray[np.int32],
    levels: NDArray[np.int16],
    slack: FloatArray,
    prices: FloatArray,
) -> NDArray[np.int16]:
    """(m,) levels after the pairs that gain. slack: (k,) of `levels`. prices: (k,) of the rows."""
    levels, slack = levels.copy(), slack.copy()
    price = np.where(moves.row >= 0, prices[moves.row], 0.0)
    score = moves.merit - np.einsum("mar,mr->ma", moves.use, price)
    order = np.argsort(code, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(code[order]) != 0])
    count = int(np.clip((_PAIRS / max(len(starts), 1)) ** 0.5, _FEWEST, _MOST))
    for users in np.split(order, starts[1:]):
        rows = moves.row[users[0]] if len(users) else np.zeros(0, dtype=np.int64)
        rows = rows[rows >= 0]
        for _ in range(_ROUNDS):
            chosen = levels[users]
            here = np.arange(len(users))
            lost = score[users, chosen][:, None] - score[users]
            lost[here, chosen] = np.inf
            nearest = np.argsort(lost, axis=None, kind="stable")[:count]
            nearest = nearest[np.isfinite(lost.ravel()[nearest])]
            i, a = np.divmod(nearest, lost.shape[1])
            gain = moves.merit[users[i], a] - moves.merit[users[i], chosen[i]]
            use = moves.use[users[i], a] - moves.use[users[i], chosen[i]]
            first, second = _best_pair(gain, use[:, : len(rows)], i, slack[rows])
            if first < 0:
                break
            for move in (first, second):
                levels[users[i[move]]] = a[move]
                slack[rows] -= use[move, : len(rows)]
    return levels


@numba.njit(cache=True)
def _best_pair(gain, use, user, slack):  # type: ignore[no-untyped-def]
    """The two moves of different users that gain most and fit; (-1, -1) where none gains."""
    best, first, second = 0.0, -1, -1
    for x in range(len(gain)):
        for y in range(x + 1, len(gain)):
            if gain[x] + gain[y] <= best or user[x] == user[y]:
                continue
            fits = True
            for r in range(len(slack)):
                fits = fits and use[x, r] + use[y, r] <= slack[r]
            if fits:
                best, first, second = gain[x] + gain[y], x, y
    return first, second
