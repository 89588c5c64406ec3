"""Levels that are never worth their money: another one is worth as much and costs no more."""

import numpy as np
from numpy.typing import NDArray

from bcrlsp.allocation.passes.blocks import Users
from bcrlsp.allocation.problem.constraints import Constraints, FloatArray

NOISE = 2.0**-48
"""Part of a value below which a gain is rounding alone."""


def dominated(constraints: Constraints, users: Users, coefficient: FloatArray) -> NDArray[np.bool_]:
    """(m, a) levels beside which another level has no less objective (m, a) and no more cost.

    The other level also uses no more of any limit that counts the user and no less of any floor,
    and is better in one of these or, where all are equal, the lower level.
    """
    weights = constraints.weights(users.cost)
    capped, floored = (_counted(constraints, sign)[users.group_index] for sign in (1.0, -1.0))
    useless = np.isneginf(coefficient)
    for a in range(coefficient.shape[1]):
        for b in range(coefficient.shape[1]):
            if a == b:
                continue
            good = (coefficient[:, b] >= coefficient[:, a]) & (users.cost[:, b] <= users.cost[:, a])
            if not good.any():
                continue
            same = (coefficient[:, b] == coefficient[:, a]) & (users.cost[:, b] == users.cost[:, a])
            for p in range(weights.shape[1]):
                more, less = (
                    weights[:, p, b] > weights[:, p, a],
                    weights[:, p, b] < weights[:, p, a],
                )
                good &= ~((capped[:, p] & more) | (floored[:, p] & less))
                same &= ~((capped[:, p] & less) | (floored[:, p] & more))
            useless[:, a] |= good & (~same | (b < a))
    return useless


def _counted(constraints: Constraints, sign: float) -> NDArray[np.bool_]:
    """(g, p) whether a row of this sign and pattern counts a group."""
    useless = np.zeros((constraints.member.shape[1], len(constraints.alpha)), dtype=bool)
    for k in np.flatnonzero(constraints.sign == sign):
        useless[:, constraints.pattern[k]] |= constraints.member[k]
    return useless
