"""Levels for the users of one batch, in order, within the room that there is.

The result is that of a loop over users in which each takes his best level among those that still
fit. It is found in few passes: users whose allowed levels all fit do not depend on the room.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bcrlsp.control.ledger.commitments import Chosen


@dataclass(frozen=True)
class Wishes:
    """What the users of a batch would take if money were no matter.

    scores: (n, a), value less price; -inf where a level is not allowed, level 0 always is.
    faces: (a,) int64, units. charges: (k, a) int64; counted: (g, k) bool; codes: (n,), rows of it.
    order: (a,) levels by face value, then number: the order in which ties are broken.
    """

    scores: NDArray[np.float64]
    faces: NDArray[np.int64]
    charges: NDArray[np.int64]
    counted: NDArray[np.bool_]
    codes: NDArray[np.intp]
    order: NDArray[np.intp]


@dataclass(frozen=True)
class Exploration:
    """With probability `rate` a user gets any of his possible levels, each with the same chance.

    draws: (n, 2), uniform in [0, 1).
    """

    rate: float
    draws: NDArray[np.float64]


def choose(
    wishes: Wishes, room: NDArray[np.int64], places: NDArray[np.intp], explore: Exploration | None
) -> tuple[Chosen, NDArray[np.float64]]:
    """Levels for the users at `places` (m,), and the probability of each, array (m,).

    room: (k,), units that may still be committed; below 0 counts as none.
    """
    n = len(wishes.scores)
    whole = len(places) == n and n > 0
    scores = wishes.scores if whole else wishes.scores[places]
    codes = wishes.codes if whole else wishes.codes[places]
    draws = None if explore is None else (explore.draws if whole else explore.draws[places])
    m, k = len(scores), len(wishes.charges)
    levels = np.zeros(m, np.intp)
    chances = np.ones(m)
    # What a level takes of each budget, by signature: (g, k, a).
    takes = wishes.counted[:, :, None] * wishes.charges[None]
    left = np.maximum(room, 0)
    start = 0
    while start < m:
        here = slice(start, m)
        fits = np.asarray((takes <= left[None, :, None]).all(axis=1))
        masked = np.where(fits[codes[here]], scores[here], -np.inf)
        picked, likely = _pick(
            masked, wishes.order, explore, None if draws is None else draws[here]
        )
        used = takes[codes[here], :, picked]
        stop = _free_of(used, masked, takes, codes[here], left)
        # The first user never is stuck: his levels were held against `left` itself.
        levels[start : start + stop] = picked[:stop]
        chances[start : start + stop] = likely[:stop]
        left = left - used[:stop].sum(axis=0)
        start += stop
    charges = takes[codes, :, levels] if m else np.zeros((0, k), np.int64)
    return Chosen(levels, wishes.faces[levels], charges), chances


def _free_of(
    used: NDArray[np.int64],
    scores: NDArray[np.float64],
    takes: NDArray[np.int64],
    codes: NDArray[np.intp],
    left: NDArray[np.int64],
) -> int:
    """How many users, from the first on, are free of what those before them use up."""
    if (len(used) * takes.max(axis=(0, 2), initial=0) <= left).all():
        return len(used)
    # The most that a user could take: where it fits, nothing that he might draw is ruled out.
    most = np.where(scores[:, None, :] > -np.inf, takes[codes], 0).max(axis=2)
    before = np.cumsum(used, axis=0) - used
    stuck = (before + most > left).any(axis=1)
    return int(stuck.argmax()) if stuck.any() else len(used)


def _pick(
    scores: NDArray[np.float64],
    order: NDArray[np.intp],
    explore: Exploration | None,
    draws: NDArray[np.float64] | None,
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """The level of each row and its probability."""
    best = order[scores[:, order].argmax(axis=1)]
    if explore is None or draws is None or explore.rate == 0:
        return best, np.ones(len(best))
    possible = scores > -np.inf
    count = possible.sum(axis=1)
    # The j-th possible level, j uniform.
    wanted = np.minimum((draws[:, 1] * count).astype(np.intp), count - 1)
    drawn = (possible.cumsum(axis=1) > wanted[:, None]).argmax(axis=1)
    picked = np.where(draws[:, 0] < explore.rate, drawn, best)
    chances = explore.rate / count + (1 - explore.rate) * (picked == best)
    return np.asarray(picked, np.intp), chances
