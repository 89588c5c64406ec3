"""The program of single users: those near a change of level, all others held fixed.

Where only a share of the undecided users was brought along, each stands for 1 / share of them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bcrlsp.allocation.master.program import Program
from bcrlsp.allocation.passes.blocks import Users
from bcrlsp.allocation.problem.constraints import Constraints, FloatArray


@dataclass(frozen=True)
class RestrictedMaster:
    """Users and the variables of their program, one for each other level to consider.

    users: m users. base: (m,) their present levels. level: (j,) the level of a variable.
    gain: (j,) objective over the base's. share: part of the undecided users that were brought
    along.
    """

    users: Users
    base: NDArray[np.int16]
    level: NDArray[np.int64]
    gain: FloatArray
    share: float
    program: Program


def build_restricted_master(
    constraints: Constraints,
    users: Users,
    base: NDArray[np.int16],
    coefficient: FloatArray,
    score: FloatArray,
    undecided: NDArray[np.bool_],
    share: float,
) -> RestrictedMaster:
    """The variables of `users`.

    coefficient: (m, a) what a level is worth before prices, score: (m, a) after the centre's.
    undecided: (m, a) levels to consider.
    """
    wanted = undecided & np.isfinite(coefficient)
    wanted[np.arange(len(users)), base] = False
    user, level = np.nonzero(wanted)
    weights = constraints.weights(users.cost)
    more = weights[user, :, level] - weights[user, :, base[user]]
    before = base[user]
    net = score[user, level] - score[user, before]
    program = Program.of(constraints, users.group_index, user, net, more, 1.0 / share)
    return RestrictedMaster(
        users, base, level, coefficient[user, level] - coefficient[user, before], share, program
    )
