"""Behaviour cloning, and the value of the cloned policy.

The policy is the logging policy itself (rule "behaviour"); its values, learned by expected SARSA,
make one step of improvement possible (Brandfonbrener et al. 2021, arXiv 2106.08909).
"""

from dataclasses import dataclass

from torch import Generator, Tensor

from bcrlsp.learning.algorithms import ALGORITHMS
from bcrlsp.learning.batches import Batch
from bcrlsp.learning.cloning import CloningOptions, behaviour_head
from bcrlsp.learning.losses import bootstrapped, chosen, imitation, masked, mean_absolute, squared
from bcrlsp.learning.q_algorithm import QAlgorithm
from bcrlsp.learning.settings import Settings
from bcrlsp.learning.views import Loss, Views
from bcrlsp.policies import HeadSpec
from bcrlsp.policies.manifest import BEHAVIOUR, VALUE


class Options(CloningOptions):
    """Settings of behaviour cloning."""


@dataclass(frozen=True)
class BCLoss(Loss):
    """imitation: scalar, cross-entropy of the logged levels."""

    imitation: Tensor


class BC(QAlgorithm[Options]):
    r"""Cross-entropy of the logged level, and the squared error of expected SARSA.

    .. math:: -\log \pi(a \mid s)
              + \big(r + \gamma \sum_b \pi(b \mid s') Q'(s', b) - Q(s, a)\big)^2
    """

    options = Options
    clones = True

    def heads(
        self, amounts: tuple[float, ...], settings: Settings, options: Options
    ) -> tuple[HeadSpec, ...]:
        """One more for the logging policy."""
        behaviour = behaviour_head(amounts)
        return (*super().heads(amounts, settings, options), behaviour)

    def loss(
        self, views: Views, batch: Batch, options: Options, draw: Generator, pessimism: float
    ) -> BCLoss:
        """See the class."""
        logits = masked(views.online_next[BEHAVIOUR][:, 0], batch.next_allowed)
        expected = (logits.softmax(1)[:, None] * views.target_next[VALUE]).sum(2)  # (b, m)
        errors = chosen(views.online[VALUE], batch.levels) - bootstrapped(batch, expected)
        cloned = imitation(views.online[BEHAVIOUR], batch.levels)
        return BCLoss(
            total=squared(errors) + options.imitation * cloned,
            td=mean_absolute(errors),
            imitation=cloned,
        )


ALGORITHMS.register("bc")(BC())
