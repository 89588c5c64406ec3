"""Better whole levels, once every row is kept."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from bcrlsp.allocation.primal.pair_search import pair_search
from bcrlsp.allocation.primal.rounding import MOVES, Moves, fill, largest_use, noise_of, repair
from bcrlsp.allocation.problem.constraints import FloatArray

Levels = NDArray[np.int16]


def local_search(
    moves: Moves,
    group_index: NDArray[np.int32],
    levels: Levels,
    slack_of: Callable[[Levels], FloatArray],
    prices: FloatArray,
    counted: FloatArray,
) -> Levels:
    """(m,) levels that are worth at least as much and keep every row as well.

    group_index: (m,) groups. levels: (m,) that keep every row. slack_of: levels -> (k,) exact room
    that they leave. prices, counted: (k,) of the rows, and how many users each counts.
    """
    room = slack_of(levels)
    size, everyone = largest_use(moves, len(room)), np.arange(len(levels))
    best, most = levels, 0.0
    for narrow in (None, counted):
        # Moves sum up rounding errors: they count only where the exact room is kept.
        for margin in (0.0, 1e-9):
            better = _fuller(
                moves, group_index, levels.copy(), room - margin * size, prices, narrow, size
            )
            before, after = moves.coefficient[everyone, levels], moves.coefficient[everyone, better]
            gain = np.where(better == levels, 0.0, after - before - noise_of(before, after))
            if np.all(slack_of(better) >= 0.0):
                if gain.sum() > most:
                    best, most = better, float(gain.sum())
                break
    return best


def _fuller(
    moves: Moves,
    group_index: NDArray[np.int32],
    levels: Levels,
    slack: FloatArray,
    prices: FloatArray,
    narrow: FloatArray | None,
    size: FloatArray,
) -> Levels:
    """Levels after moves that gain.

    narrow: (k,) users each row counts, to fill the narrow rows first at the price of the wide ones,
    which are then repaired: else a wide row, once full, keeps the rows inside it from being filled.
    """
    if narrow is not None:
        levels, slack = pair_search(moves, group_index, levels, slack, prices, narrow)
        repair(moves.coefficient, moves.use, moves.row, slack, size, levels, MOVES)
    fill(moves.coefficient, moves.use, moves.row, slack, levels, MOVES)
    return pair_search(moves, group_index, levels, slack, prices)[0]


def save(
    moves: Moves, cost: FloatArray, levels: Levels, slack_of: Callable[[Levels], FloatArray]
) -> Levels:
    """(m,) levels of the same worth at less cost, or at the same cost lower ones.

    cost: (m, a). levels: (m,) that keep every row, as those returned do.
    """
    levels, everyone = levels.copy(), np.arange(len(levels))
    for _ in range(moves.coefficient.shape[1]):
        worth = moves.coefficient >= moves.coefficient[everyone, levels][:, None]
        paid = cost[everyone, levels][:, None]
        lower = np.arange(cost.shape[1]) < levels[:, None]
        cheaper = worth & ((cost < paid) | ((cost == paid) & lower))
        best = np.argmin(np.where(cheaper, cost, np.inf), axis=1).astype(np.int16)
        at_once = np.where(cheaper.any(axis=1), best, levels)
        if np.all(slack_of(at_once) >= 0.0):
            if np.array_equal(at_once, levels):
                break
            levels = at_once
            continue
        changed = False
        for user in np.flatnonzero(cheaper.any(axis=1)):
            options = np.flatnonzero(cheaper[user])
            for level in options[np.argsort(cost[user, options], kind="stable")]:
                before = levels[user]
                levels[user] = level
                if np.all(slack_of(levels) >= 0.0):
                    changed = True
                    break
                levels[user] = before
        if not changed:
            break
    return levels
