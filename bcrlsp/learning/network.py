"""The network that training builds from a `NetworkSpec`: the torch twin of `policies.Network`."""

from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from bcrlsp.policies import NetworkSpec


class TorchNetwork(nn.Module):
    """A multilayer perceptron with heads; its state dict has the names of `spec.shapes()`.

    spec: the shape, with the bounds of the inputs. mean, std: (d,) of the training states.
    """

    mean: Tensor
    std: Tensor
    low: Tensor
    high: Tensor

    def __init__(self, spec: NetworkSpec, mean: Any, std: Any) -> None:
        super().__init__()
        self.spec = spec
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32))
        bounds = spec.bounds(np.asarray(mean, np.float32), np.asarray(std, np.float32))
        for name, bound in zip(("low", "high"), bounds, strict=True):
            # They are the specification's: no weights, and no part of the state dict.
            self.register_buffer(name, torch.from_numpy(bound), persistent=False)
        self.layers = nn.ModuleList(
            nn.Linear(inputs, outputs)
            for inputs, outputs in zip(spec.widths, spec.widths[1:], strict=False)
        )

    def forward(self, states: Tensor) -> dict[str, Tensor]:
        """States (b, d) to the values of every head, (b, members, a of the head)."""
        hidden = (states.clamp(self.low, self.high) - self.mean) / self.std
        *inner, last = self.layers  # a slice would be a module, made anew at each call
        for layer in inner:
            hidden = torch.relu_(layer(hidden))
        raw = cast(Tensor, last(hidden))
        return {
            head.name: head.read_members(raw[:, self.spec.columns[head.name]], torch)
            for head in self.spec.heads
        }
