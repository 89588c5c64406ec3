r"""The response model: how likely a user returns, by hidden class and what the past left behind.

A user has a hidden class k for good, a habit state h that returns move and a wear state f that
bonuses move (see `counters`). For a level of face value x (as a share of the largest)

.. math::
    u &= b_k + s_k v_h + 4 c_k v_h (v_h - 1) \\
    e &= \frac{1 - \exp(-x e^{-r_k})}{1 - \exp(-e^{-r_k})} \,
         \exp(-e^{w_k} v_f + i_k (v_h - 1/2)) \\
    P(\text{return} \mid k, h, f, x) &= \text{link}(u, l_k, e)

with the counters' scores v in [0, 1]. So P rises with the amount (r small: even a small bonus does
all; r large: each unit does the same) and is concave in it on the links `conversion` and `hazard`;
repeated bonuses wear out (however little), and habit may matter in any smooth way.
Nothing else is assumed. Where a market is otherwise, the likelihood of held-out users says so (see
`selection` and `baseline`).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bcrlsp.learning.planner.counters import COUNTERS, Counter
from bcrlsp.learning.planner.links import LINKS, Array

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PARAMETERS = ("base", "slope", "curve", "lift", "reach", "wear", "interplay")
"""Of each class, as they are fitted: reach and wear by their logarithms, lift as its link says."""

# A broad normal prior of each parameter: what a class that the log says nothing of looks like.
_MEAN = np.array([-1.0, 1.0, 0.0, -1.0, 0.0, 0.0, 0.0])
_SPREAD = np.array([2.0, 2.0, 1.0, 1.5, 1.0, 1.5, 0.5])
_FLOOR = 1e-6


@dataclass(frozen=True)
class Structure:
    """The shape of a response model; its parameters are fitted.

    habit, wear: family and size of the counters of returns and of bonuses.
    link: an entry of `links.LINKS`. classes: number of hidden classes (k).
    amounts: face values (a,), amounts[0] = 0.
    """

    habit: tuple[str, int]
    wear: tuple[str, int]
    link: str
    classes: int
    amounts: tuple[float, ...]

    @cached_property
    def counters(self) -> tuple[Counter, Counter]:
        """The counters of returns and of bonuses."""
        return (
            COUNTERS.get(self.habit[0])(self.habit[1]),
            COUNTERS.get(self.wear[0])(self.wear[1]),
        )

    @property
    def levels(self) -> int:
        """Number of levels (a), level 0 included."""
        return len(self.amounts)

    @property
    def states(self) -> int:
        """Number of states (s) that the two counters have together: wear runs fastest."""
        habit, wear = self.counters
        return len(habit) * len(wear)

    @cached_property
    def start(self) -> Ints:
        """Array (h,): the states that a user's record may begin in: any habit, no wear."""
        habit, wear = self.counters
        return np.arange(len(habit)) * len(wear) + wear.rest

    @cached_property
    def after(self) -> Ints:
        """Array (2, 2, s): the next state, by returned (0, 1), bonus sent (0, 1) and state."""
        habit, wear = self.counters
        h, f = np.divmod(np.arange(self.states), len(wear))
        rows = [
            [habit.after[back][h] * len(wear) + wear.after[sent][f] for sent in (0, 1)]
            for back in (0, 1)
        ]
        return np.array(rows, dtype=np.int64)

    @property
    def size(self) -> int:
        """Number of fitted numbers: parameters of the classes, weights of where users begin."""
        return self.classes * (len(PARAMETERS) + len(self.start))

    def split(self, vector: Array) -> tuple[Array, Array]:
        """Parameters (k, p) and log-weights of (start, class), (h, k), from one vector."""
        cut = self.classes * len(PARAMETERS)
        return (
            vector[:cut].reshape(self.classes, -1),
            vector[cut:].reshape(len(self.start), self.classes),
        )

    def probability(self, parameters: Array) -> Array:
        """P(return), array (s, a, k), from parameters (k, p); complex ones are allowed."""
        base, slope, curve, lift, reach, wear, interplay = parameters.T
        h, f = np.divmod(np.arange(self.states), len(self.counters[1]))
        habit = self.counters[0].score[h][:, None]
        tired = self.counters[1].score[f][:, None]
        amounts = np.array(self.amounts)[:, None] / max(self.amounts)
        scale = np.exp(reach)
        rise = (1 - np.exp(-amounts / scale)) / (1 - np.exp(-1 / scale))
        left = np.exp(-np.exp(wear) * tired + interplay * (habit - 0.5))
        free = base + slope * habit + 4 * curve * habit * (habit - 1)
        return LINKS[self.link](free[:, None], lift, left[:, None] * rise)

    def prior(self) -> tuple[Floats, Floats]:
        """Mean and spread of the parameters' normal prior, arrays (p,)."""
        mean = _MEAN.copy()
        if self.link == "logit":
            mean[PARAMETERS.index("lift")] = 0.0
        return mean, _SPREAD


@dataclass(frozen=True, eq=False)
class Response:
    """A fitted response model. vector: float64 array (structure.size,)."""

    structure: Structure
    vector: Floats

    @cached_property
    def returns(self) -> Floats:
        """P(return), array (s, a, k), inside (0, 1)."""
        parameters, _ = self.structure.split(self.vector)
        chance = np.clip(self.structure.probability(parameters), _FLOOR, 1 - _FLOOR)
        return np.asarray(chance, dtype=np.float64)

    @cached_property
    def log_chances(self) -> Floats:
        """log P(away) and log P(return), array (s, a, 2, k), C order."""
        chances = np.stack([1 - self.returns, self.returns], axis=2)
        return np.ascontiguousarray(np.log(chances))

    @cached_property
    def log_begin(self) -> Floats:
        """log P(a user's record begins in that start state and class), array (h, k)."""
        _, weights = self.structure.split(self.vector)
        shifted = weights - weights.max()
        return np.ascontiguousarray(shifted - np.log(np.exp(shifted).sum()))

    @property
    def shares(self) -> Floats:
        """Share of each class, array (k,)."""
        return np.asarray(np.exp(self.log_begin).sum(axis=0))
