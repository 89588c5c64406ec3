"""A member with its values: what levels are worth to users in some states."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bcrlsp.learning.recurrent.member import Member, Outlook, successors
from bcrlsp.learning.recurrent.network import Shape, inputs_of, layers
from bcrlsp.learning.recurrent.sequences import Rules

Floats = NDArray[np.float64]

_WIDTH = 64
# States that are looked at together.
_ROWS = 32_768


class Valued:
    """A member, its values and its price: what levels are worth to users in some states."""

    def __init__(
        self, member: Member, rules: Rules, value: nn.Sequential, gamma: float, price: float
    ) -> None:
        self.member, self.rules, self.value = member, rules, value
        self.gamma, self.price = gamma, price
        # Common height of the values: the network holds what states differ by.
        self.height = 0.0

    @torch.no_grad()
    def worth(self, outlook: Outlook, after: Tensor) -> NDArray[np.float32]:
        """(b, a): expected reward of the period and discounted value of what follows.

        after: (b, a, 2, i), what networks read of the successors; see `ahead`.
        """
        following = self.value(after)[..., 0].numpy() + np.float32(self.height)
        return outlook.mean(outlook.reward + np.float32(self.gamma) * following)

    def ahead(self, states: NDArray[np.float32], angles: Floats) -> Tensor:
        """What networks read of every successor of states (b, WIDTH): (b, a, 2, i)."""
        after = successors(states, self.member.shape.shares)
        waves = self.rules.waves(angles + self.rules.turn)
        return inputs_of(
            after, np.broadcast_to(waves[:, None, None], (*after.shape[:3], waves.shape[-1]))
        )

    def evaluate(self, states: NDArray[np.float32], angles: Floats) -> tuple[Floats, Floats]:
        """Values with no price taken off and expected costs of the period, (b, a) each."""
        values, costs = [], []
        for start in range(0, len(states), _ROWS):
            part = slice(start, start + _ROWS)
            outlook = self.member.outlook(states[part], self.rules.waves(angles[part]))
            values.append(self.worth(outlook, self.ahead(states[part], angles[part])))
            costs.append(outlook.costs)
        return np.concatenate(values).astype(np.float64), np.concatenate(costs).astype(np.float64)


def new_value(shape: Shape) -> nn.Sequential:
    """The network of a member's values, (..., 1) of what networks read; 0 at first."""
    return layers(shape.inputs, _WIDTH, 1)
