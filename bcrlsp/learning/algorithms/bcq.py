"""Batch-constrained Q-learning for discrete levels: only what the log holds is ever chosen.

Fujimoto et al. 2019, arXiv 1910.01708.
"""

from dataclasses import dataclass

from pydantic import Field
from torch import Generator, Tensor

from bcrlsp.learning.algorithms import ALGORITHMS
from bcrlsp.learning.batches import Batch
from bcrlsp.learning.cloning import CloningOptions, behaviour_head
from bcrlsp.learning.losses import (
    bootstrapped,
    chosen,
    imitation,
    intersected,
    lower_bound,
    masked,
    mean_absolute,
    squared,
    supported,
)
from bcrlsp.learning.q_algorithm import QAlgorithm
from bcrlsp.learning.settings import Settings
from bcrlsp.learning.views import Loss, Views
from bcrlsp.policies import HeadSpec
from bcrlsp.policies.manifest import BEHAVIOUR, VALUE


class Options(CloningOptions):
    """Settings of batch-constrained Q-learning."""

    threshold: float = Field(
        0.3,
        gt=0,
        le=1,
        description="share of the likeliest level's logged probability that a level needs. Higher "
        "keeps closer to the log: 1 clones its likeliest level. Usual: 0.1 to 0.5",
    )
    flatness: float = Field(
        0.01,
        ge=0,
        description="weight of the squared logits. Higher keeps rare levels above the threshold. "
        "Usual: 0.001 to 0.1",
    )


@dataclass(frozen=True)
class BCQLoss(Loss):
    """imitation: scalar, cross-entropy of the logged levels."""

    imitation: Tensor


class BCQ(QAlgorithm[Options]):
    r"""Squared TD error over supported levels, with a behaviour head.

    .. math:: \big(r + \gamma Q'(s', b^*) - Q(s, a)\big)^2 - w \log \pi(a \mid s) + c |z|^2,\quad
              b^* = \arg\max_{b:\ \pi(b \mid s') \ge \tau \max_c \pi(c \mid s')} Q(s', b)
    """

    options = Options

    def heads(
        self, amounts: tuple[float, ...], settings: Settings, options: Options
    ) -> tuple[HeadSpec, ...]:
        """One more for the logging policy."""
        behaviour = behaviour_head(amounts)
        return (*super().heads(amounts, settings, options), behaviour)

    def support(self, options: Options) -> float:
        """The policy keeps to supported levels, too."""
        return options.threshold

    def loss(
        self, views: Views, batch: Batch, options: Options, draw: Generator, pessimism: float
    ) -> BCQLoss:
        """See the class."""
        may = intersected(
            supported(views.online_next[BEHAVIOUR], options.threshold), batch.next_allowed
        )
        best = masked(lower_bound(views.online_next[VALUE], pessimism), may).argmax(1)
        targets = bootstrapped(batch, chosen(views.target_next[VALUE], best))
        errors = chosen(views.online[VALUE], batch.levels) - targets
        logits = views.online[BEHAVIOUR]
        cloned = imitation(logits, batch.levels)
        return BCQLoss(
            total=squared(errors)
            + options.imitation * cloned
            + options.flatness * logits.square().mean(),
            td=mean_absolute(errors),
            imitation=cloned,
        )


ALGORITHMS.register("bcq")(BCQ())
