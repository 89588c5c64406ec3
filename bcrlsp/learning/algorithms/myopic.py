"""The contextual model of the next period's reward alone (gamma = 0): the uplift baseline."""

from pydantic import BaseModel, ConfigDict
from torch import Generator

from bcrlsp.learning.algorithms import ALGORITHMS
from bcrlsp.learning.batches import Batch
from bcrlsp.learning.losses import chosen, mean_absolute, squared
from bcrlsp.learning.q_algorithm import QAlgorithm
from bcrlsp.learning.views import Loss, Views
from bcrlsp.policies.manifest import VALUE


class Options(BaseModel):
    """The myopic model has no settings of its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Myopic(QAlgorithm[Options]):
    r"""Squared error of the period's own reward, whatever follows.

    .. math:: \big(r - Q(s, a)\big)^2
    """

    options = Options
    views = frozenset()
    gamma = 0.0

    def loss(
        self, views: Views, batch: Batch, options: Options, draw: Generator, pessimism: float
    ) -> Loss:
        """See the class."""
        errors = chosen(views.online[VALUE], batch.levels) - batch.rewards[:, None]
        return Loss(total=squared(errors), td=mean_absolute(errors))


ALGORITHMS.register("myopic")(Myopic())
