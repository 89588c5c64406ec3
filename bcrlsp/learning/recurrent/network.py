"""The response network: heads that read the recurrent state of a history and the calendar.

The state is a set of traces (`policies.traces`) that move by fixed recurrences, as in a reservoir
(Jaeger 2001). A network with gated units in their place described unseen users a little worse after
the same processor time, on the one market where both were fitted. Heads: a gate that reads past
activity alone (whether the user is still one: what was sent says little of those who left), the
log-odds of activity without a bonus, what each level adds to them (of any sign and shape; levels
share a layer), the share of a bonus that is spent, and, where the reward is another thing than
activity, the reward.
"""

from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bcrlsp.policies import traces

_NARROW = 32
# Log-odds of still being a user, at first.
_OPEN = 3.0


@dataclass(frozen=True)
class Shape:
    """shares: (a,), amounts of the levels as shares of the largest. calendar: width of the
    calendar's waves. hidden: width of the layers. binary: whether the reward is the activity."""

    shares: tuple[float, ...]
    calendar: int
    hidden: int
    binary: bool

    @property
    def levels(self) -> int:
        """Number of levels a."""
        return len(self.shares)

    @property
    def inputs(self) -> int:
        """Width of what the heads read."""
        return traces.READ + self.calendar


@dataclass(frozen=True)
class Told:
    """What the heads say of b states. logits: (b, a) of activity. spent: (b, a, 2), share of the
    bonus that is spent after absence and activity. rewards: (b, a, 2) after absence and activity.
    """

    logits: Tensor
    spent: Tensor
    rewards: Tensor


def layers(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    """Two hidden layers; the last one begins at 0."""
    last = nn.Linear(hidden, outputs)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(
        nn.Linear(inputs, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU(), last
    )


def _gated(logits: Tensor, gate: Tensor) -> Tensor:
    """Log-odds of both of two things, whose log-odds are given: log-odds of their product."""
    both = nn.functional.logsigmoid(logits) + nn.functional.logsigmoid(gate)
    return both - torch.log1p(-both.exp().clamp_max(1 - 1e-6))


class ResponseNetwork(nn.Module):
    """See the module.

    `low` and `high` (i,) bound what is read: a history further out than the log's is taken for the
    furthest there is, so that nothing is extrapolated along one trace. `shift` and `slope` (a,)
    correct the effects (see `correction`).
    """

    own: Tensor
    low: Tensor
    high: Tensor
    shift: Tensor
    slope: Tensor

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.base: nn.Sequential = layers(shape.inputs, shape.hidden, 1)
        self.effect = layers(shape.inputs, shape.hidden, shape.levels - 1)
        self.register_buffer("own", torch.tensor(traces.OF_ACTIVITY), persistent=False)
        self.gate = layers(len(traces.OF_ACTIVITY), shape.hidden // 2, 1)
        with torch.no_grad():
            last = cast(nn.Linear, self.gate[-1])
            last.bias.fill_(_OPEN)
        self.spent_first = nn.Linear(shape.inputs, _NARROW)
        self.spent_last = nn.Linear(_NARROW, 2 * (shape.levels - 1))
        nn.init.zeros_(self.spent_last.weight)
        self.register_buffer("low", torch.full((shape.inputs,), -torch.inf))
        self.register_buffer("high", torch.full((shape.inputs,), torch.inf))
        self.register_buffer("shift", torch.zeros(shape.levels))
        self.register_buffer("slope", torch.ones(shape.levels))
        if not shape.binary:
            self.reward = layers(shape.inputs, shape.hidden, 2 * shape.levels)

    def forward(self, inputs: Tensor) -> Told:
        """inputs: (b, i), see `inputs_of`."""
        inputs = inputs.clamp(self.low, self.high)
        effects = nn.functional.pad(self.effect(inputs), (1, 0))
        raw = _gated(self.base(inputs) + effects, self.gate(inputs[:, self.own]))
        logits = raw[:, :1] + self.shift + self.slope * (raw - raw[:, :1])
        spent = torch.sigmoid(self.spent_last(nn.functional.silu(self.spent_first(inputs))))
        spent = spent.reshape(len(inputs), self.shape.levels - 1, 2)
        spent = nn.functional.pad(spent, (0, 0, 1, 0))
        if self.shape.binary:
            rewards = inputs.new_tensor([0.0, 1.0]).expand(len(inputs), self.shape.levels, 2)
        else:
            rewards = self.reward(inputs).reshape(len(inputs), self.shape.levels, 2)
        return Told(logits, spent, rewards)


def inputs_of(states: NDArray[np.float32], waves: NDArray[np.float32]) -> Tensor:
    """What heads read, (..., i), of states (..., WIDTH) and calendar waves (..., c)."""
    return torch.from_numpy(np.concatenate([traces.read(states), waves], axis=-1))
