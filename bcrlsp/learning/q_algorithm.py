"""Algorithms that fit a network to minibatches: what each of them says of itself.

The mathematics is `loss`, a pure function of network values and a batch. How updates are run,
checkpointed and measured is the same for all (see `run`).
"""

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

import torch
from pydantic import BaseModel

from bcrlsp.learning.batches import Batch
from bcrlsp.learning.settings import Settings
from bcrlsp.learning.views import Loss, Views
from bcrlsp.policies import HeadSpec
from bcrlsp.policies.manifest import COST, DISCOUNTED_COST, VALUE

OptionsT = TypeVar("OptionsT", bound=BaseModel)


class QAlgorithm(ABC, Generic[OptionsT]):
    """Base of the entries that learn values with a network."""

    options: type[BaseModel]
    views: frozenset[str] = frozenset({"online_next", "target_next"})
    """Which of the views beside `online` the loss reads: each is a forward pass."""
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
        costs = [COST, DISCOUNTED_COST] if settings.discounted_cost else [COST]
        return value, *(HeadSpec(name=name, amounts=amounts) for name in costs)

    def support(self, options: OptionsT) -> float:
        """`Manifest.support` of the saved policy."""
        return 0.0
