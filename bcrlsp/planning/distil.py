"""Teaches the plan's values to a network over the features, in the format of all saved policies.

What matters are the differences between a user's levels: they are an order smaller than the values,
and alone decide the budget program. So the loss weighs a state's mean value apart from them.
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bcrlsp.learning.network import TorchNetwork
from bcrlsp.planning.lessons import Lessons
from bcrlsp.policies import NetworkSpec
from bcrlsp.policies.policy import COST, VALUE

_BATCH = 1024
# Weight of a state's mean value beside the differences, each in units of its own spread.
_MEAN_WEIGHT = 0.1
_HELD_OUT = 0.05
_CLIP = 1.0


def distil(
    spec: NetworkSpec,
    taught: Lessons,
    looked_at: NDArray[np.bool_],
    *,
    cost_unit: float,
    epochs: int,
    learning_rate: float,
    seed: int,
    progress: Callable[[dict[str, float]], None],
) -> tuple[dict[str, NDArray[np.float32]], list[dict[str, float]]]:
    """The network's weights, by the names of `spec.shapes()`, and the learning curve.

    taught: the lessons. looked_at: bool (d,), columns that the network may see.
    The curve's points, one an epoch: `fit_…`, the share of variance that the network explains on
    lessons that were held out: of differences between levels, of means, and of costs.
    """
    rng = np.random.default_rng(seed)
    order = torch.from_numpy(rng.permutation(len(taught.states)))
    mean, std = taught.states.mean(axis=0), taught.states.std(axis=0)
    std[std < 1e-6] = 1.0
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = TorchNetwork(spec, mean, std)
    blind = torch.from_numpy(~looked_at)
    values, scale, centre = _standardised(taught.values)
    states = torch.from_numpy(taught.states)[order]
    values = values[order]
    costs = torch.from_numpy(taught.costs / np.float32(cost_unit))[order]
    held = max(1, int(_HELD_OUT * len(states)))
    learner = _Learner(network, blind, _spreads(values[held:], costs[held:]))
    batches = max(1, (len(states) - held) // _BATCH)
    learner.schedule(learning_rate, epochs * batches)
    curve = []
    for epoch in range(epochs):
        shuffled = torch.from_numpy(rng.permutation(len(states) - held) + held)
        for rows in shuffled.tensor_split(batches):
            learner.step(states[rows], values[rows], costs[rows])
        point = {"iteration": float(epoch), "update": float((epoch + 1) * batches)}
        point |= learner.explained(states[:held], values[:held], costs[:held])
        curve.append(point)
        progress(point)
    return _weights(network, spec, scale, centre), curve


class _Learner:
    """Adam on the three parts of the loss, each in units of its own spread."""

    def __init__(self, network: TorchNetwork, blind: Tensor, spreads: tuple[float, ...]) -> None:
        self._network, self._blind, self._spreads = network, blind, spreads
        self._mute()

    def schedule(self, rate: float, steps: int) -> None:
        self._adam = torch.optim.Adam(self._network.parameters(), lr=rate, fused=True)
        self._cycle = torch.optim.lr_scheduler.OneCycleLR(
            self._adam, rate, total_steps=steps + 1, pct_start=0.1
        )

    def step(self, states: Tensor, values: Tensor, costs: Tensor) -> None:
        apart, means, paid = self._errors(states, values, costs)
        loss = apart + _MEAN_WEIGHT * means + paid
        self._adam.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._network.parameters(), _CLIP)
        self._adam.step()
        self._cycle.step()
        self._mute()

    @torch.no_grad()
    def explained(self, states: Tensor, values: Tensor, costs: Tensor) -> dict[str, float]:
        apart, means, paid = self._errors(states, values, costs)
        return {
            "fit_differences": 1 - float(apart),
            "fit_means": 1 - float(means),
            "fit_costs": 1 - float(paid),
        }

    def _errors(self, states: Tensor, values: Tensor, costs: Tensor) -> tuple[Tensor, ...]:
        heads = self._network(states)
        off = heads[VALUE].squeeze(1) - values
        level = off.mean(1, keepdim=True)
        paid = (heads[COST].squeeze(1) - costs).square().mean()
        parts = (off - level).square().mean(), level.square().mean(), paid
        return tuple(part / spread for part, spread in zip(parts, self._spreads, strict=True))

    @torch.no_grad()
    def _mute(self) -> None:
        """Columns that the network may not look at have no weight in it."""
        first = self._network.layers[0]
        assert isinstance(first, torch.nn.Linear)
        first.weight[:, self._blind] = 0.0


def _standardised(values: NDArray[np.float32]) -> tuple[Tensor, float, NDArray[np.float32]]:
    """Values less each level's mean, in units of the spread of their differences."""
    centre = values.mean(axis=0)
    apart = values - values.mean(axis=1, keepdims=True)
    scale = max(float((apart - apart.mean(axis=0)).std()), 1e-9)
    return torch.from_numpy((values - centre) / np.float32(scale)), scale, centre


def _spreads(values: Tensor, costs: Tensor) -> tuple[float, ...]:
    """Variances of the differences, of the means and of the costs; never 0."""
    means = values.mean(1, keepdim=True)
    apart = values - means
    parts = ((apart - apart.mean(0)), means - means.mean(), costs - costs.mean(0))
    return tuple(max(float(part.square().mean()), 1e-12) for part in parts)


def _weights(
    network: TorchNetwork, spec: NetworkSpec, scale: float, centre: NDArray[np.float32]
) -> dict[str, NDArray[np.float32]]:
    """The network's arrays; the value head's own units are put into the last layer."""
    held = {name: tensor.numpy().copy() for name, tensor in network.state_dict().items()}
    last = len(spec.widths) - 2
    place = spec.columns[VALUE]
    held[f"layers.{last}.weight"][place] *= np.float32(scale)
    held[f"layers.{last}.bias"][place] *= np.float32(scale)
    held[f"layers.{last}.bias"][place] += centre
    return held
