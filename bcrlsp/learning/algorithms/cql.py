"""Conservative Q-learning for discrete levels, CQL(H), with double DQN targets.

Kumar et al. 2020, arXiv 2006.04779.
"""

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field
from torch import Generator, Tensor

from bcrlsp.learning.algorithms import ALGORITHMS
from bcrlsp.learning.batches import Batch
from bcrlsp.learning.losses import (
    chosen,
    conservative_penalty,
    double_targets,
    mean_absolute,
    squared,
)
from bcrlsp.learning.q_algorithm import QAlgorithm
from bcrlsp.learning.views import Loss, Views
from bcrlsp.policies.manifest import VALUE


class Options(BaseModel):
    """Settings of conservative Q-learning."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    alpha: float = Field(
        0.01,
        ge=0,
        description="weight of the penalty. Higher keeps closer to the logged levels and flattens "
        "true differences between levels; 0 is double DQN. It competes with the squared TD error, "
        "so it should be of the size of the differences sought. Usual: 0.001 to 1",
    )


@dataclass(frozen=True)
class CQLLoss(Loss):
    """conservative: scalar, mean of logsumexp_b Q(s, b) - Q(s, a)."""

    conservative: Tensor


class CQL(QAlgorithm[Options]):
    r"""Squared TD error and a penalty on values above those of the logged levels.

    .. math:: \big(r + \gamma Q'(s', \arg\max_b Q(s', b)) - Q(s, a)\big)^2
              + \alpha \big(\log \sum_b e^{Q(s, b)} - Q(s, a)\big)
    """

    options = Options

    def loss(
        self, views: Views, batch: Batch, options: Options, draw: Generator, pessimism: float
    ) -> CQLLoss:
        """See the class."""
        values = views.online[VALUE]  # (b, m, a)
        errors = chosen(values, batch.levels) - double_targets(views, batch, pessimism)  # (b, m)
        conservative = conservative_penalty(values, batch.levels, batch.allowed)
        return CQLLoss(
            total=squared(errors) + options.alpha * conservative,
            td=mean_absolute(errors),
            conservative=conservative,
        )


ALGORITHMS.register("cql")(CQL())
