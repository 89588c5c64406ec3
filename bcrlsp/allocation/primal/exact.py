"""The best whole levels of a few users, and of equally good ones those that spend least.

At the prices of the linear program every level of a user loses something against the user's best.
What all lose together is the distance to the dual bound, so that only choices that lose no more
than the best one found need be looked at (Martello, Toth 1990, Knapsack Problems, reduction). They
are built up user by user; those that can no longer keep a row drop out.
"""

import numpy as np
from numpy.typing import NDArray

from bcrlsp.allocation.primal.rounding import NOISE_OF_SUMS, Moves
from bcrlsp.allocation.problem.constraints import FloatArray

_FIRST_PART = 2.0**-6
_MANY = 20_000
_ROUNDING = 1e-12


class TooManyChoicesError(Exception):
    """More choices than may be looked at."""


def best_levels(
    moves: Moves,
    cost: FloatArray,
    prices: FloatArray,
    room: FloatArray,
    known: NDArray[np.int16] | None,
    most: int,
) -> list[NDArray[np.int16]]:
    """Choices (m,) that keep every row to within rounding, the best first.

    cost: (m, a). prices: (k,) of the rows, in their units. room: (k,) right sides that the choices
    of these users must keep. known: (m,) levels that keep every row. most: choices to look at.
    Raises TooManyChoicesError.
    """
    use = _dense(moves, len(room))
    score = moves.coefficient - use @ prices
    lost = score.max(axis=1, keepdims=True) - score
    noise = NOISE_OF_SUMS * (
        float(
            np.abs(np.where(np.isfinite(moves.coefficient), moves.coefficient, 0.0))
            .max(axis=1)
            .sum()
        )
        + float(np.abs(prices) @ np.abs(use).max(axis=(0, 1), initial=0.0)) * len(use)
    )
    finite = np.where(np.isfinite(lost), lost, -np.inf)
    ceiling = float(finite.max(axis=1).sum()) + float(prices @ np.abs(room)) + noise
    ceiling += float(prices @ np.abs(use).max(axis=1).sum(axis=0))
    if known is not None:
        everyone = np.arange(len(known))
        left = room - use[everyone, known].sum(axis=0)
        ceiling = min(ceiling, float(lost[everyone, known].sum() + prices @ left))
    reach = ceiling * _FIRST_PART
    while True:
        kept_choices = _within(lost, use, cost, prices, room, reach + 2.0 * noise, noise, most)
        if len(kept_choices) or reach >= ceiling:
            return kept_choices
        reach = min(4.0 * reach, ceiling)


def _within(
    lost: FloatArray,
    use: FloatArray,
    cost: FloatArray,
    prices: FloatArray,
    room: FloatArray,
    reach: float,
    noise: float,
    most: int,
) -> list[NDArray[np.int16]]:
    """The choices whose loss, with what unused room is worth, is at most `reach`, best first."""
    size = np.abs(use).max(axis=1).sum(axis=0) + np.abs(room)
    spare = room + _ROUNDING * size
    usable = np.isfinite(lost)[:, :, None]
    least = np.where(usable, use, np.inf).min(axis=1)
    largest = np.where(usable, use, -np.inf).max(axis=1)
    # Users whose levels differ most come first: there most choices drop out.
    order = np.argsort(-np.where(np.isfinite(lost), lost, 0.0).max(axis=1), kind="stable")
    after_least = _after(least[order])
    after_most = _after(largest[order])
    total, used, spent = np.zeros(1), np.zeros((1, len(room))), np.zeros(1)
    chosen = np.zeros((1, len(order)), dtype=np.int16)
    for place, user in enumerate(order):
        levels = np.flatnonzero(lost[user] <= reach)
        if len(total) * len(levels) > 8 * most:
            raise TooManyChoicesError
        total = (total[:, None] + lost[user, levels]).ravel()
        used = (used[:, None, :] + use[user, levels]).reshape(-1, len(room))
        spent = (spent[:, None] + cost[user, levels]).ravel()
        chosen = np.repeat(chosen, len(levels), axis=0)
        chosen[:, user] = np.tile(levels, len(chosen) // max(len(levels), 1))
        unused = np.maximum(room - used - after_most[place], 0.0) @ prices
        kept = (total + unused <= reach) & np.all(used + after_least[place] <= spare, axis=1)
        if kept.sum() > _MANY:
            kept[kept] = _different(total[kept], used[kept], spent[kept])
        if kept.sum() > most:
            raise TooManyChoicesError
        total, used, spent, chosen = total[kept], used[kept], spent[kept], chosen[kept]
        if not len(total):
            return []
    worse = total + (room - used) @ prices
    undecided = np.where(worse <= worse.min() + noise, 0.0, worse)
    cheap = np.round(spent / (_ROUNDING * max(float(np.abs(cost).sum()), 1e-300)))
    keys = [*chosen.T[::-1], cheap, undecided]
    return [chosen[i] for i in np.lexsort(keys)[:100]]


def _after(extreme: FloatArray) -> FloatArray:
    """(m, k) sums over the users that come after each."""
    return np.cumsum(extreme[::-1], axis=0)[::-1] - extreme


def _different(total: FloatArray, used: FloatArray, spent: FloatArray) -> NDArray[np.bool_]:
    """Of choices with the same use, only the one that loses least and then spends least."""
    order = np.lexsort([spent, total, *used.T])
    same = np.all(used[order][1:] == used[order][:-1], axis=1)
    kept = np.ones(len(total), dtype=bool)
    kept[order[1:][same]] = False
    return kept


def _dense(moves: Moves, rows: int) -> FloatArray:
    """(m, a, k) use of every row."""
    use = np.zeros((*moves.coefficient.shape, rows))
    for r in range(moves.row.shape[1]):
        here = np.flatnonzero(moves.row[:, r] >= 0)
        use[here, :, moves.row[here, r]] = moves.use[here, :, r]
    return use
