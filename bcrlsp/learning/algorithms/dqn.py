"""Double DQN: no care for what the log does not cover; the baseline of the others.

van Hasselt et al. 2016, arXiv 1509.06461.
"""

from pydantic import BaseModel, ConfigDict
from torch import Generator

from bcrlsp.learning.algorithms import ALGORITHMS
from bcrlsp.learning.batches import Batch
from bcrlsp.learning.losses import chosen, double_targets, mean_absolute, squared
from bcrlsp.learning.q_algorithm import QAlgorithm
from bcrlsp.learning.views import Loss, Views
from bcrlsp.policies.manifest import VALUE


class Options(BaseModel):
    """Double DQN has no settings of its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DQN(QAlgorithm[Options]):
    r"""Mean squared TD error.

    .. math:: \big(r + \gamma Q'(s', \arg\max_b Q(s', b)) - Q(s, a)\big)^2
    """

    options = Options

    def loss(
        self, views: Views, batch: Batch, options: Options, draw: Generator, pessimism: float
    ) -> Loss:
        """See the class."""
        errors = chosen(views.online[VALUE], batch.levels) - double_targets(views, batch, pessimism)
        return Loss(total=squared(errors), td=mean_absolute(errors))


ALGORITHMS.register("dqn")(DQN())
