"""Teaches the plan's values to a network over the features, in the format of all saved policies.

What matters are the differences between a user's levels: they are an order smaller than the values,
and alone decide the budget program. So the loss weighs a state's mean value apart from them.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bcrlsp.learning.network import TorchNetwork
from bcrlsp.learning.planner.distillation_set import DistillationSet
from bcrlsp.learning.statistics import StateScaling
from bcrlsp.policies import NetworkSpec
from bcrlsp.policies.manifest import COST, VALUE

_BATCH = 512
# Weights of a state's mean value and of its costs beside the differences, each in units of its own
# spread.
_MEAN_WEIGHT, _COST_WEIGHT = 0.1, 0.5
_HELD_OUT = 0.05
_CLIP = 1.0


def distil(
    spec: NetworkSpec,
    examples: DistillationSet,
    looked_at: NDArray[np.bool_],
    *,
    scaling: StateScaling,
    cost_unit: float,
    epochs: int,
    learning_rate: float,
    seed: int,
    progress: Callable[[dict[str, float]], None],
) -> tuple[dict[str, NDArray[np.float32]], list[dict[str, float]]]:
    """The network's weights, by the names of `spec.shapes()`, and the learning curve.

    examples: the distillation set. scaling: of their states; its bounds are those of the spec.
    looked_at: bool (d,), columns that the network may see.
    The curve's points, one an epoch: `fit_…`, the share of variance that the network explains on
    states that were held out: of differences between levels, of means, and of costs.
    """
    rng = np.random.default_rng(seed)
    order = torch.from_numpy(rng.permutation(len(examples.states)))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = TorchNetwork(spec, scaling.mean, scaling.std)
    blind = torch.from_numpy(~looked_at)
    units = _Units.of(examples, cost_unit)
    states = torch.from_numpy(examples.states)[order]
    values, costs = (part[order] for part in units.apply(examples))
    held = max(1, int(_HELD_OUT * len(states)))
    learner = _Learner(network, blind)
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
    return units.undo(network, spec), curve


@dataclass(frozen=True, eq=False)
class _Units:
    """What the network is taught in: the parts of its heads, each of mean 0 and spread 1.

    mean, apart (a,), cost (a,): centres. scales: of mean, differences and costs.
    """

    mean: float
    apart: NDArray[np.float32]
    cost: NDArray[np.float32]
    scales: tuple[float, float, float]
    cost_unit: float

    @classmethod
    def of(cls, examples: DistillationSet, cost_unit: float) -> "_Units":
        mean, apart = _parts(examples.values)
        centre, paid = apart.mean(axis=0), examples.costs.mean(axis=0)
        spreads = (float(mean.std()), _spread(apart - centre), _spread(examples.costs - paid))
        scales = tuple(max(spread, 1e-9) for spread in spreads)
        return cls(float(mean.mean()), centre, paid, scales, cost_unit)  # type: ignore[arg-type]

    def apply(self, examples: DistillationSet) -> tuple[Tensor, Tensor]:
        """Values and costs, (m, a) each, in these units."""
        mean, apart = _parts(examples.values)
        of_mean, of_apart, of_cost = self.scales
        values = (mean - self.mean) / of_mean + (apart - self.apart) / of_apart
        costs = (examples.costs - self.cost) / of_cost
        return torch.from_numpy(values.astype(np.float32)), torch.from_numpy(
            costs.astype(np.float32)
        )

    def undo(self, network: TorchNetwork, spec: NetworkSpec) -> dict[str, NDArray[np.float32]]:
        """The network's arrays, its last layer in the units of the policy."""
        held = {name: tensor.numpy().copy() for name, tensor in network.state_dict().items()}
        last = len(spec.widths) - 2
        matrix, bias = held[f"layers.{last}.weight"], held[f"layers.{last}.bias"]
        of_mean, of_apart, of_cost = self.scales
        value, cost = spec.columns[VALUE], spec.columns[COST]
        # The dueling head's first output is the mean value, the others are the differences.
        parts = (
            (slice(value.start, value.start + 1), of_mean, self.mean),
            (slice(value.start + 1, value.stop), of_apart, self.apart),
            (cost, of_cost / self.cost_unit, self.cost / self.cost_unit),
        )
        for place, scale, centre in parts:
            matrix[place] *= np.float32(scale)
            bias[place] = bias[place] * np.float32(scale) + centre
        return held


class _Learner:
    """Adam on the loss: squared errors of the differences, of the mean value and of the costs."""

    def __init__(self, network: TorchNetwork, blind: Tensor) -> None:
        self._network, self._blind = network, blind
        self._mute()

    def schedule(self, rate: float, steps: int) -> None:
        self._adam = torch.optim.Adam(self._network.parameters(), lr=rate, fused=True)
        self._cycle = torch.optim.lr_scheduler.OneCycleLR(
            self._adam, rate, total_steps=steps + 1, pct_start=0.1
        )

    def step(self, states: Tensor, values: Tensor, costs: Tensor) -> None:
        apart, mean, paid = self._errors(states, values, costs)
        loss = apart + _MEAN_WEIGHT * mean + _COST_WEIGHT * paid
        self._adam.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._network.parameters(), _CLIP)
        self._adam.step()
        self._cycle.step()
        self._mute()

    @torch.no_grad()
    def explained(self, states: Tensor, values: Tensor, costs: Tensor) -> dict[str, float]:
        apart, mean, paid = self._errors(states, values, costs)
        return {
            "fit_differences": 1 - float(apart),
            "fit_means": 1 - float(mean),
            "fit_costs": 1 - float(paid),
        }

    def _errors(self, states: Tensor, values: Tensor, costs: Tensor) -> tuple[Tensor, ...]:
        heads = self._network(states)
        off = heads[VALUE].squeeze(1) - values
        mean = off.mean(1, keepdim=True)
        paid = (heads[COST].squeeze(1) - costs).square().mean()
        return (off - mean).square().mean(), mean.square().mean(), paid

    @torch.no_grad()
    def _mute(self) -> None:
        """Columns that the network may not look at have no weight in it."""
        first = self._network.get_parameter("layers.0.weight")
        first[:, self._blind] = 0.0


def _parts(values: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Values (m, a) as their mean over the levels, (m, 1), and the differences from it, (m, a)."""
    mean = values.mean(axis=1, keepdims=True)
    return mean, values - mean


def _spread(centred: NDArray[np.float32]) -> float:
    return float(np.sqrt((centred.astype(np.float64) ** 2).mean()))
