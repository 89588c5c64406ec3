"""Levels that are never worth their money: another one is worth as much and costs no more."""

import numpy as np
from numpy.typing import NDArray

from bcrlsp.allocation.blocks import Users
from bcrlsp.allocation.rows import FloatArray, Rows

NOISE = 2.0**-48
"""Part of a value below which a gain is rounding alone."""


def dominated(rows: Rows, users: Users, merit: FloatArray) -> NDArray[np.bool_]:
    """(m, a) levels beside which another level has no less objective (m, a) and no more cost.

    The other level also uses no more of any limit that counts the user and no less of any floor,
    and is better in one of these or, where all are equal, the lower level.
    """
    weights = rows.weights(users.cost)
    capped, floored = (_counted(rows, sign)[users.code] for sign in (1.0, -1.0))
    found = np.isneginf(merit)
    for a in range(merit.shape[1]):
        for b in range(merit.shape[1]):
            if a == b:
                continue
            good = (merit[:, b] >= merit[:, a]) & (users.cost[:, b] <= users.cost[:, a])
            if not good.any():
                continue
            same = (merit[:, b] == merit[:, a]) & (users.cost[:, b] == users.cost[:, a])
            for p in range(weights.shape[1]):
                more, less = (
                    weights[:, p, b] > weights[:, p, a],
                    weights[:, p, b] < weights[:, p, a],
                )
                good &= ~((capped[:, p] & more) | (floored[:, p] & less))
                same &= ~((capped[:, p] & less) | (floored[:, p] & more))
            found[:, a] |= good & (~same | (b < a))
    return found


def _counted(rows: Rows, sign: float) -> NDArray[np.bool_]:
    """(g, p) whether a row of this sign and pattern counts a group."""
    found = np.zeros((rows.member.shape[1], len(rows.alpha)), dtype=bool)
    for k in np.flatnonzero(rows.sign == sign):
        found[:, rows.pattern[k]] |= rows.member[k]
    return found
