"""R-BCQ: the random ensemble mixture inside batch-constrained Q-learning.

As BCORLE(λ) uses it (Zhang et al. 2021, NeurIPS; discrete BCQ: arXiv 1910.01708, REM: 1907.04543).
"""

from dataclasses import dataclass

from pydantic import Field
from torch import Generator, Tensor

from bcrlsp.learning.algorithms import ALGORITHMS
from bcrlsp.learning.algorithms.bcq import Options as BCQOptions
from bcrlsp.learning.batches import Batch
from bcrlsp.learning.cloning import behaviour_head
from bcrlsp.learning.losses import (
    imitation,
    intersected,
    mean_absolute,
    mixture_errors,
    simplex,
    supported,
)
from bcrlsp.learning.q_algorithm import QAlgorithm
from bcrlsp.learning.settings import Settings
from bcrlsp.learning.views import Loss, Views
from bcrlsp.policies import HeadSpec
from bcrlsp.policies.manifest import BEHAVIOUR


class Options(BCQOptions):
    """Settings of both."""

    members: int = Field(
        10, ge=2, description="heads that are mixed. More are steadier and slower. Usual: 5 to 200"
    )


@dataclass(frozen=True)
class RBCQLoss(Loss):
    """imitation: scalar, cross-entropy of the logged levels."""

    imitation: Tensor


class RBCQ(QAlgorithm[Options]):
    """REM's squared TD error with the next level among BCQ's supported ones."""

    options = Options

    def heads(
        self, amounts: tuple[float, ...], settings: Settings, options: Options
    ) -> tuple[HeadSpec, ...]:
        """As many value heads as the options say, and one for the logging policy."""
        mixed = settings.model_copy(update={"members": options.members})
        behaviour = behaviour_head(amounts)
        return (*super().heads(amounts, mixed, options), behaviour)

    def support(self, options: Options) -> float:
        """The policy keeps to supported levels, too."""
        return options.threshold

    def loss(
        self, views: Views, batch: Batch, options: Options, draw: Generator, pessimism: float
    ) -> RBCQLoss:
        """See the class."""
        may = intersected(
            supported(views.online_next[BEHAVIOUR], options.threshold), batch.next_allowed
        )
        errors = mixture_errors(views, batch, simplex(options.members, draw), may)
        logits = views.online[BEHAVIOUR]
        cloned = imitation(logits, batch.levels)
        return RBCQLoss(
            total=errors.square().mean()
            + options.imitation * cloned
            + options.flatness * logits.square().mean(),
            td=mean_absolute(errors),
            imitation=cloned,
        )


ALGORITHMS.register("rbcq")(RBCQ())
