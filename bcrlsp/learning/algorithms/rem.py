"""Random ensemble mixture: every update fits another random mixture of the members.

Agarwal et al. 2020, arXiv 1907.04543.
"""

from pydantic import BaseModel, ConfigDict, Field
from torch import Generator

from bcrlsp.learning.algorithms import ALGORITHMS
from bcrlsp.learning.batches import Batch
from bcrlsp.learning.losses import mean_absolute, mixture_errors, simplex
from bcrlsp.learning.q_algorithm import QAlgorithm
from bcrlsp.learning.settings import Settings
from bcrlsp.learning.views import Loss, Views
from bcrlsp.policies import HeadSpec


class Options(BaseModel):
    """Settings of the random ensemble mixture."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    members: int = Field(
        10,
        ge=2,
        description="heads that are mixed. More are steadier and slower. Usual: 5 to 200",
    )


class REM(QAlgorithm[Options]):
    r"""Squared TD error of a random convex mixture w of the heads, the same in the target.

    .. math:: \big(r + \gamma \sum_k w_k Q'_k(s', \arg\max_b \sum_k w_k Q_k(s', b))
              - \sum_k w_k Q_k(s, a)\big)^2

    The network, not its target, picks the next level (the paper's does both with the target).
    """

    options = Options

    def heads(
        self, amounts: tuple[float, ...], settings: Settings, options: Options
    ) -> tuple[HeadSpec, ...]:
        """As many value heads as the options say."""
        mixed = settings.model_copy(update={"members": options.members})
        return super().heads(amounts, mixed, options)

    def loss(
        self, views: Views, batch: Batch, options: Options, draw: Generator, pessimism: float
    ) -> Loss:
        """See the class."""
        errors = mixture_errors(views, batch, simplex(options.members, draw), batch.next_allowed)
        return Loss(total=errors.square().mean(), td=mean_absolute(errors))


ALGORITHMS.register("rem")(REM())
