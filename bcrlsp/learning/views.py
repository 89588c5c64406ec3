"""What a loss reads, and what it gives back."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

Values = Mapping[str, Tensor]
"""Values of each head, (b, members, a of the head)."""


@dataclass(frozen=True)
class Views:
    """Values of every head around a batch; only `online` carries gradients.

    online, online_next: of the network, at the states and at the next states.
    target, target_next: of the target network. Empty where the algorithm does not ask.
    """

    online: Values
    online_next: Values
    target: Values
    target_next: Values


@dataclass(frozen=True)
class Loss:
    """total: scalar to minimise. td: scalar, mean absolute TD error, for the learning curve."""

    total: Tensor
    td: Tensor
