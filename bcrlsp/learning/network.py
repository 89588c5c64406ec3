"""The network that training builds from a `NetworkSpec`: the torch twin of `policies.Network`."""

from typing import Any, cast

import torch
from torch import Tensor, nn

from bcrlsp.policies import NetworkSpec


class TorchNetwork(nn.Module):
    """A multilayer perceptron with heads; its state dict has the names of `spec.shapes()`.

    spec: the shape. mean, std: (d,) statistics of the training states.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, spec: NetworkSpec, mean: Any, std: Any) -> None:
        super().__init__()
        self.spec = spec
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32))
        self.layers = nn.ModuleList(
            nn.Linear(inputs, outputs)
            for inputs, outputs in zip(spec.widths, spec.widths[1:], strict=False)
        )

    def forward(self, states: Tensor) -> dict[str, Tensor]:
        """States (b, d) to the values of every head, (b, members, a of the head)."""
        hidden = (states - self.mean) / self.std
        *inner, last = self.layers  # a slice would be a module, made anew at each call
        for layer in inner:
            hidden = torch.relu_(layer(hidden))
        raw = cast(Tensor, last(hidden))
        return {
            head.name: head.read_members(raw[:, self.spec.columns[head.name]], torch)
            for head in self.spec.heads
        }
