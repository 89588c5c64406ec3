"""Pairs of moves that use up the room that no single move fits into.

After rounding, each budget is left with less than one step. One user a step up and another a step
down often fit where neither fits alone; among users that are all near a tie such a pair loses next
to nothing. Pairs are looked for within a group, whose users are in the same rows.
"""

import numpy as np
from numpy.typing import NDArray

from bcrlsp.allocation.primal.rounding import Moves, noise_of
from bcrlsp.allocation.problem.constraints import FloatArray
from bcrlsp.compiled import compiled

_PAIRS = 4_000_000
_FEWEST, _MOST = 48, 1500
_ROUNDS = 12


def pair_search(
    moves: Moves,
    group_index: NDArray[np.int32],
    levels: NDArray[np.int16],
    slack: FloatArray,
    prices: FloatArray,
    narrow: FloatArray | None = None,
) -> tuple[NDArray[np.int16], FloatArray]:
    """(m,) levels after the pairs that gain, and the (k,) room that they leave.

    group_index: (m,) groups. slack: (k,) of `levels`. prices: (k,) of the rows. narrow: None to
    keep all rows; else (k,) how many users each counts: of a group's rows the narrowest is kept
    alone, and what the others would lose or gain is priced.
    """
    levels, slack = levels.copy(), slack.copy()
    price = np.where(moves.row >= 0, prices[moves.row], 0.0)
    score = moves.coefficient - np.einsum("mar,mr->ma", moves.use, price)
    order = np.argsort(group_index, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(group_index[order]) != 0])
    count = int(np.clip((_PAIRS / max(len(starts), 1)) ** 0.5, _FEWEST, _MOST))
    for users in np.split(order, starts[1:]):
        rows = moves.row[users[0]] if len(users) else np.zeros(0, dtype=np.int64)
        rows = rows[rows >= 0]
        if not len(rows):
            continue
        kept = np.arange(len(rows)) if narrow is None else np.array([np.argmin(narrow[rows])])
        others = np.setdiff1d(np.arange(len(rows)), kept)
        reach = 2.0 * np.abs(moves.use[users][:, :, : len(rows)]).max(axis=(0, 1))
        # A row with room for any pair is none to look at.
        tight = kept[slack[rows[kept]] < 2.0 * reach[kept]]
        coefficient = (
            moves.coefficient[users] - moves.use[users][:, :, others] @ prices[rows[others]]
        )
        _pair_search(
            coefficient, moves.use[users][:, :, : len(rows)], score[users], levels, users, slack,
            rows, tight, count,
        )  # fmt: skip
    return levels, slack


def _pair_search(
    coefficient: FloatArray,
    use: FloatArray,
    score: FloatArray,
    levels: NDArray[np.int16],
    users: NDArray[np.int64],
    slack: FloatArray,
    rows: NDArray[np.int64],
    tight: NDArray[np.int64],
    count: int,
) -> None:
    """Moves pairs of one group's users until none gains; changes levels and slack."""
    here = np.arange(len(users))
    for _ in range(_ROUNDS):
        chosen = levels[users]
        lost = score[here, chosen][:, None] - score
        lost[here, chosen] = np.inf
        flat = lost.ravel()
        nearest = np.flatnonzero(np.isfinite(flat))
        if len(tight) != 1 and len(nearest) > count:
            nearest = nearest[np.argpartition(flat[nearest], count - 1)[:count]]
            nearest.sort()
        i, a = np.divmod(nearest, lost.shape[1])
        before, after = coefficient[i, chosen[i]], coefficient[i, a]
        gain = after - before - noise_of(before, after)
        used = use[i, a] - use[i, chosen[i]]
        if len(tight) == 1:
            row = tight[0]
            order = np.argsort(used[:, row], kind="stable")
            pair = _best_sorted(gain[order], used[order, row], i[order], slack[rows[row]])
            pair = tuple(order[list(pair)]) if pair[0] >= 0 else pair
        else:
            pair = _best_pair(gain, used[:, tight], i, slack[rows[tight]])
        if pair[0] < 0:
            return
        for move in set(pair):
            levels[users[i[move]]] = a[move]
            slack[rows] -= used[move]


@compiled()
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


@compiled()
def _best_sorted(gain, use, user, room):  # type: ignore[no-untyped-def]
    """As _best_pair in one row, moves in rising order of use; the same move twice is a single one.

    For each move the best partner is among the first moves, up to where the pair no longer fits:
    the best of these and the best of another user than that one's are all that is asked for.
    """
    size = len(gain)
    one, two = np.empty(size, dtype=np.int64), np.empty(size, dtype=np.int64)
    top, other = 0, -1
    for x in range(size):
        if gain[x] > gain[top]:
            if user[x] != user[top]:
                other = top
            top = x
        elif user[x] != user[top] and (other < 0 or gain[x] > gain[other]):
            other = x
        one[x], two[x] = top, other
    best, first, second = 0.0, -1, -1
    last = size - 1
    for x in range(size):
        if use[x] <= room and gain[x] > best:
            best, first, second = gain[x], x, x
        while last >= 0 and use[x] + use[last] > room:
            last -= 1
        if last < 0:
            continue
        y = one[last] if user[one[last]] != user[x] else two[last]
        if y >= 0 and user[y] != user[x] and gain[x] + gain[y] > best:
            best, first, second = gain[x] + gain[y], x, y
    return first, second
