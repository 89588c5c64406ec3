"""The program of single users: those near a change of level, all others held fixed.

Where only a share of the near users was brought along, each stands for 1 / share of them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bcrlsp.allocation.blocks import Users
from bcrlsp.allocation.program import Program
from bcrlsp.allocation.rows import FloatArray, Rows


@dataclass(frozen=True)
class Core:
    """Users and the variables of their program, one for each other level to consider.

    users: m users. base: (m,) their present levels. level: (j,) the level of a variable.
    gain: (j,) objective over the base's. share: part of the near users that were brought along.
    """

    users: Users
    base: NDArray[np.int16]
    level: NDArray[np.int64]
    gain: FloatArray
    share: float
    program: Program


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
    before = base[user]
    net = score[user, level] - score[user, before]
    program = Program.of(rows, users.code, user, net, more, 1.0 / share)
    return Core(users, base, level, merit[user, level] - merit[user, before], share, program)
