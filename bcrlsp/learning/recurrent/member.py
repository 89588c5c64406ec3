"""One member of the ensemble as arrays: what plans, simulates and judges with it reads."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from bcrlsp.learning.recurrent.network import ResponseNetwork, Shape, inputs_of
from bcrlsp.policies import traces

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Outlook:
    """What a member expects of b users now. chance: (b, a) of activity. reward: (b, a, 2) after
    absence and activity. spent: (b, a, 2), money after each.
    """

    chance: Floats
    reward: Floats
    spent: Floats

    @property
    def rewards(self) -> Floats:
        """(b, a) expected reward of the period."""
        return self.mean(self.reward)

    @property
    def costs(self) -> Floats:
        """(b, a) expected money of the period."""
        return self.mean(self.spent)

    def mean(self, values: Floats) -> Floats:
        """Expectation (b, a) over the outcome of values (b, a, 2)."""
        return values[..., 0] + self.chance * (values[..., 1] - values[..., 0])


class Member:
    """A fitted network. money: (a,), what a bonus of each level costs at most."""

    def __init__(self, network: ResponseNetwork, money: NDArray[np.float64]) -> None:
        self.network = network.eval()
        self.shape: Shape = network.shape
        self._money = np.asarray(money, np.float32)

    @torch.no_grad()
    def outlook(self, states: Floats, waves: Floats) -> Outlook:
        """states: (b, WIDTH). waves: (b, c), of the calendar."""
        told = self.network(inputs_of(states, waves))
        return Outlook(
            torch.sigmoid(told.logits).numpy(),
            told.rewards.numpy(),
            told.spent.numpy() * self._money[:, None],
        )

    def weights(self) -> dict[str, Floats]:
        """The network's arrays."""
        return {
            name: tensor.detach().numpy().copy()
            for name, tensor in self.network.state_dict().items()
        }


def member_of(shape: Shape, weights: Mapping[str, Floats], money: NDArray[np.float64]) -> Member:
    """The member with these arrays."""
    network = ResponseNetwork(shape)
    network.load_state_dict({name: torch.tensor(array) for name, array in weights.items()})
    return Member(network, money)


def successors(states: Floats, shares: tuple[float, ...]) -> Floats:
    """What follows every level and outcome, (b, a, 2, WIDTH), of states (b, WIDTH)."""
    levels, outcome = np.indices((len(shares), 2))
    return traces.after(states[:, None, None], traces.Events.of(shares, levels, outcome))


def moved(
    states: Floats, shares: tuple[float, ...], levels: NDArray[np.integer], back: NDArray[np.bool_]
) -> Floats:
    """States (b, WIDTH) one period later; levels, back: (b,)."""
    return traces.after(states, traces.Events.of(shares, levels, back))
