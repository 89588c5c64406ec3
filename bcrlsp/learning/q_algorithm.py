"""Algorithms that fit a network to minibatches: what each of them says of itself.

The mathematics is `loss`, a pure function of network values and a batch. How updates are run,
checkpointed and measured is the same for all (see `run`).
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from pydantic import BaseModel
from torch import Tensor

from bcrlsp.learning.batches import Batch
from bcrlsp.learning.settings import Settings
from bcrlsp.learning.task import Task, TrainedPolicy
from bcrlsp.policies import HeadSpec
from bcrlsp.policies.policy import COST, COST_AHEAD, VALUE

Values = Mapping[str, Tensor]
"""Values of each head, (b, members, a of the head)."""


@dataclass(frozen=True)
class Views:
    """Values of every head around a batch; only `now` carries gradients.

    now, ahead: of the network, at the states and at the next states.
    target_now, target_ahead: of the target network. Empty where the algorithm does not ask.
    """

    now: Values
    ahead: Values
    target_now: Values
    target_ahead: Values


@dataclass(frozen=True)
class Loss:
    """total: scalar to minimise. td: scalar, mean absolute TD error, for the learning curve."""

    total: Tensor
    td: Tensor


OptionsT = TypeVar("OptionsT", bound=BaseModel)


class QAlgorithm(ABC, Generic[OptionsT]):
    """Base of the entries that learn values with a network."""

    options: type[BaseModel]
    views: frozenset[str] = frozenset({"ahead", "target_ahead"})
    """Which of the views beside `now` the loss reads: each is a forward pass."""
    gamma: float | None = None
    """Discount that the algorithm insists on; None: the settings'."""

    clones: bool = False
    """Whether what is learned is the logging policy's value, not that of the best levels."""

    @abstractmethod
    def loss(
        self, views: Views, batch: Batch, options: OptionsT, draw: torch.Generator, pessimism: float
    ) -> Loss:
        """The loss of a batch; draw: the only source of randomness."""

    def heads(
        self, amounts: tuple[float, ...], settings: Settings, options: OptionsT
    ) -> tuple[HeadSpec, ...]:
        """Heads of the network: the values and the expected costs, unless more is needed."""
        value = HeadSpec(
            name=VALUE,
            kind=settings.head,
            amounts=amounts,
            members=settings.members,
            pessimism=settings.pessimism,
        )
        costs = [COST, COST_AHEAD] if settings.discounted_cost else [COST]
        return value, *(HeadSpec(name=name, amounts=amounts) for name in costs)

    def support(self, options: OptionsT) -> float:
        """`Manifest.support` of the saved policy."""
        return 0.0

    def train(self, task: Task) -> TrainedPolicy:
        """Runs the updates on RLlib."""
        from bcrlsp.learning.run import run

        return run(self, task)
