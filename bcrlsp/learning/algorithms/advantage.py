"""An orthogonal loss for the differences between levels: what the budget LP ranks by.

The noise of the state's own value is taken out before levels are compared, and what remains is
regressed on the level less what the logging policy was expected to send: errors of the state's
value and of the propensities enter the differences only as a product (Robinson 1988; the R-learner
of Nie and Wager 2021, arXiv 1712.04912, here with double Q-learning's targets as the outcome).
"""

from dataclasses import dataclass

import torch
from pydantic import Field
from torch import Generator, Tensor

from bcrlsp.learning.algorithms import ALGORITHMS
from bcrlsp.learning.batches import Batch
from bcrlsp.learning.cloning import CloningOptions, behaviour_head
from bcrlsp.learning.losses import chosen, double_targets, imitation, mean_absolute, squared
from bcrlsp.learning.q_algorithm import QAlgorithm
from bcrlsp.learning.settings import Settings
from bcrlsp.learning.views import Loss, Views
from bcrlsp.policies import HeadSpec
from bcrlsp.policies.manifest import BEHAVIOUR, VALUE

BASELINE = "baseline"


class Options(CloningOptions):
    """Settings of the orthogonal loss."""

    anchor: float = Field(
        1.0,
        gt=0,
        description="weight of the state's value in the values of its levels. Higher fits the "
        "common height sooner, the differences later. Usual: 0.3 to 3",
    )


@dataclass(frozen=True)
class AdvantageLoss(Loss):
    """baseline: scalar, squared error of the state's value. imitation: of the logged levels."""

    baseline: Tensor
    imitation: Tensor


class Advantage(QAlgorithm[Options]):
    r"""Squared error of the centred differences, and of the state's value that they stand on.

    .. math:: \big(y - m(s) - (Q(s, a) - \sum_b e(b \mid s) Q(s, b))\big)^2 + (y - m(s))^2
              + c \big(\sum_b e(b \mid s) Q(s, b) - m(s)\big)^2 - w \log \pi(a \mid s),\quad
              y = r + \gamma Q'(s', \arg\max_b Q(s', b))

    e is the cloned logging policy with the logged propensity in the place of the logged level's,
    where that is known; no gradient reaches m and e but through their own terms.
    """

    options = Options

    def heads(
        self, amounts: tuple[float, ...], settings: Settings, options: Options
    ) -> tuple[HeadSpec, ...]:
        """One more for the state's value, and one for the logging policy."""
        baseline = HeadSpec(name=BASELINE, amounts=(0.0,))
        behaviour = behaviour_head(amounts)
        return (*super().heads(amounts, settings, options), baseline, behaviour)

    def loss(
        self, views: Views, batch: Batch, options: Options, draw: Generator, pessimism: float
    ) -> AdvantageLoss:
        """See the class."""
        values = views.online[VALUE]  # (b, m, a)
        targets = double_targets(views, batch, pessimism)  # (b, m)
        baseline = views.online[BASELINE][:, :, 0]  # (b, 1)
        logged = chosen(values, batch.levels)
        usual = (values * _expected(views.online[BEHAVIOUR], batch)[:, None]).sum(2)
        errors = targets - baseline.detach() - (logged - usual)
        below = (targets - baseline).square().mean()
        cloned = imitation(views.online[BEHAVIOUR], batch.levels)
        return AdvantageLoss(
            total=squared(errors)
            + below
            + options.anchor * squared(usual - baseline.detach())
            + options.imitation * cloned,
            td=mean_absolute(logged - targets),
            baseline=below,
            imitation=cloned,
        )


def _expected(logits: Tensor, batch: Batch) -> Tensor:
    """(b, a) probabilities of the logging policy, the logged level's as it was logged."""
    cloned = logits.detach()[:, 0].softmax(1)
    index = batch.levels[:, None]
    own = cloned.gather(1, index)
    known = batch.propensities[:, None]
    known = torch.where(known.isnan(), own, known)
    others = cloned * (1 - known) / (1 - own).clamp_min(1e-6)
    return others.scatter(1, index, known)


ALGORITHMS.register("advantage")(Advantage())
