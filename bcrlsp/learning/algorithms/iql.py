"""Implicit Q-learning for discrete levels: never asks for the value of a level not logged.

Kostrikov et al. 2021, arXiv 2110.06169. Where the paper draws the policy out of the values by
advantage-weighted cloning, here the greedy choice (and the budget LP) keeps to the levels that a
cloned logging policy supports: the value of the others was never learned.
"""

from dataclasses import dataclass

import torch
from pydantic import Field
from torch import Generator, Tensor

from bcrlsp.learning.algorithms import ALGORITHMS
from bcrlsp.learning.batches import Batch
from bcrlsp.learning.cloning import CloningOptions, behaviour_head
from bcrlsp.learning.losses import (
    bootstrapped,
    chosen,
    imitation,
    lower_bound,
    mean_absolute,
    squared,
)
from bcrlsp.learning.q_algorithm import QAlgorithm
from bcrlsp.learning.settings import Settings
from bcrlsp.learning.views import Loss, Views
from bcrlsp.policies import HeadSpec
from bcrlsp.policies.manifest import BEHAVIOUR, VALUE

STATE_VALUE = "v"


class Options(CloningOptions):
    """Settings of implicit Q-learning."""

    expectile: float = Field(
        0.8,
        gt=0,
        lt=1,
        description="how near the state's value is to the best logged level's: 0.5 is the logging "
        "policy's value; towards 1 it is the best level's, and the luckiest's. Usual: 0.6 to 0.9",
    )
    threshold: float = Field(
        0.1,
        ge=0,
        le=1,
        description="share of the likeliest level's logged probability that a level needs to be "
        "chosen. Higher keeps closer to the log; 0 also chooses among values never learned. "
        "Usual: 0.05 to 0.3",
    )


@dataclass(frozen=True)
class IQLLoss(Loss):
    """expectile: scalar, loss of the state's value. imitation: scalar, of the logged levels."""

    expectile: Tensor
    imitation: Tensor


class IQL(QAlgorithm[Options]):
    r"""An expectile of the logged levels' values stands for the maximum over all levels.

    .. math:: \big(r + \gamma V(s') - Q(s, a)\big)^2 + |\tau - 1(u < 0)|\, u^2
              - w \log \pi(a \mid s),\quad u = Q'(s, a) - V(s)
    """

    options = Options
    views = frozenset({"online_next", "target"})

    def heads(
        self, amounts: tuple[float, ...], settings: Settings, options: Options
    ) -> tuple[HeadSpec, ...]:
        """One more for the value of the state, and one for the logging policy."""
        state = HeadSpec(name=STATE_VALUE, amounts=(0.0,))
        behaviour = behaviour_head(amounts)
        return (*super().heads(amounts, settings, options), state, behaviour)

    def support(self, options: Options) -> float:
        """The policy keeps to supported levels."""
        return options.threshold

    def loss(
        self, views: Views, batch: Batch, options: Options, draw: Generator, pessimism: float
    ) -> IQLLoss:
        """See the class."""
        targets = bootstrapped(batch, views.online_next[STATE_VALUE][:, 0, 0])  # (b,)
        errors = chosen(views.online[VALUE], batch.levels) - targets[:, None]
        logged = lower_bound(views.target[VALUE], pessimism).gather(1, batch.levels[:, None])
        above = logged[:, 0] - views.online[STATE_VALUE][:, 0, 0]  # (b,)
        weight = torch.where(above < 0, 1 - options.expectile, options.expectile)
        if batch.allowed is not None:  # a logged level that may not be sent stands for nothing
            weight = weight * batch.allowed.gather(1, batch.levels[:, None])[:, 0]
        expectile = (weight * above.square()).mean()
        cloned = imitation(views.online[BEHAVIOUR], batch.levels)
        return IQLLoss(
            total=squared(errors) + expectile + options.imitation * cloned,
            td=mean_absolute(errors),
            expectile=expectile,
            imitation=cloned,
        )


ALGORITHMS.register("iql")(IQL())
