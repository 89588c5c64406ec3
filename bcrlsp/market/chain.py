"""The Markov chain of a user: hidden type, habit and fatigue; what a bonus does to a return.

P(return | type, habit, fatigue, level) = p + (1 - p) lift (1 - exp(-amount / scale)) wear^fatigue,
with p = sigmoid(base + slope * habit). It rises with the amount and is concave in it, whatever the
settings; fatigue lowers what a bonus adds, never what habit gives. A bonus costs its amount when it
is redeemed, which only a returning user does.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bcrlsp.errors import ConfigError
from bcrlsp.market.settings import Settings

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Chain:
    """The market's law, as arrays over (types k, habits h, fatigues f, levels a).

    amounts: array (a,), face value of each level, amounts[0] = 0.
    shares: array (k,), share of each type.
    return_probability: array (k, h, f, a).
    redeem_probability: array (k,), of a returning user who got a bonus.
    """

    amounts: Floats
    shares: Floats
    return_probability: Floats
    redeem_probability: Floats

    @property
    def shape(self) -> tuple[int, int, int]:
        """Numbers of types, habits and fatigues."""
        k, h, f, _ = self.return_probability.shape
        return k, h, f

    @property
    def levels(self) -> int:
        """Number of levels, level 0 (nothing sent) included."""
        return len(self.amounts)

    @cached_property
    def expected_cost(self) -> Floats:
        """Array (k, h, f, a): expected redeemed amount."""
        redeemed = self.return_probability * self.redeem_probability[:, None, None, None]
        return redeemed * self.amounts

    @cached_property
    def next_habit(self) -> Ints:
        """Array (2, h): the habit that follows an absence (row 0) or a return (row 1)."""
        top = self.shape[1] - 1
        habit = np.arange(top + 1)
        return np.stack([np.maximum(habit - 1, 0), np.minimum(habit + 1, top)])

    @cached_property
    def next_fatigue(self) -> Ints:
        """Array (2, f): the fatigue that follows a pause (row 0) or a bonus (row 1)."""
        top = self.shape[2] - 1
        fatigue = np.arange(top + 1)
        return np.stack([np.maximum(fatigue - 1, 0), np.minimum(fatigue + 1, top)])

    @cached_property
    def successors(self) -> Ints:
        """Array (2, k, h, f, a): flat number of the state after absence (0) or return (1)."""
        kinds, habits, fatigues = np.indices(self.shape)
        bonus = (np.arange(self.levels) > 0).astype(np.int64)
        fatigue = self.next_fatigue[bonus][:, fatigues]  # (a, k, h, f)
        following = []
        for returned in (0, 1):
            habit = self.next_habit[returned][habits]
            flat = np.ravel_multi_index(
                (
                    np.broadcast_to(kinds, fatigue.shape),
                    np.broadcast_to(habit, fatigue.shape),
                    fatigue,
                ),
                self.shape,
            )
            following.append(np.moveaxis(flat, 0, -1))
        return np.stack(following)

    @cached_property
    def transitions(self) -> Floats:
        """Array (s, a, s'), s = k * h * f flat states: probability of the next state."""
        states = int(np.prod(self.shape))
        chance = self.return_probability.reshape(states, self.levels)
        after = self.successors.reshape(2, states, self.levels)
        dense = np.zeros((states, self.levels, states))
        rows, columns = np.indices((states, self.levels))
        np.add.at(dense, (rows, columns, after[0]), 1 - chance)
        np.add.at(dense, (rows, columns, after[1]), chance)
        return dense

    @cached_property
    def initial(self) -> Floats:
        """Array (k, h, f): where users are when the log begins.

        Each type's habits are those of a market without bonuses in equilibrium (detailed balance of
        a birth and death chain), and nobody is tired.
        """
        k, h, f = self.shape
        start = np.zeros((k, h, f))
        free = self.return_probability[:, :, 0, 0]
        for kind in range(k):
            ratio = free[kind, :-1] / (1 - free[kind, 1:])
            weight = np.concatenate([[1.0], np.cumprod(ratio)])
            start[kind, :, 0] = self.shares[kind] * weight / weight.sum()
        return start


def build_chain(settings: Settings, amounts: tuple[float, ...]) -> Chain:
    """The chain of these settings for levels of these face values.

    amounts: (a,), amounts[0] = 0, strictly rising; else ConfigError.
    """
    value = np.asarray(amounts, dtype=np.float64)
    if len(value) < 2 or value[0] != 0 or (np.diff(value) <= 0).any():
        raise ConfigError(
            f"amounts = {list(amounts)}: the simulated market needs at least two, the first 0, "
            "each above the one before"
        )
    kinds = settings.types
    column = {
        name: np.array([getattr(kind, name) for kind in kinds])
        for name in ("share", "base", "slope", "lift", "scale", "wear", "redeem")
    }
    habit = np.arange(settings.habits)
    fatigue = np.arange(settings.fatigues)
    free = 1 / (1 + np.exp(-(column["base"][:, None] + column["slope"][:, None] * habit)))
    response = column["lift"][:, None] * (1 - np.exp(-value / column["scale"][:, None]))
    left = column["wear"][:, None] ** fatigue
    added = left[:, None, :, None] * response[:, None, None, :]
    chance = free[:, :, None, None] + (1 - free[:, :, None, None]) * added
    return Chain(value, column["share"], chance, column["redeem"])
