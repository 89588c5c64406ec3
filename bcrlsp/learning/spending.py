"""Expected costs, learned beside the values: of the period, and discounted over the horizon."""

from typing import Any

from pydantic import BaseModel
from torch import Tensor, nn

from bcrlsp.learning.batches import Batch
from bcrlsp.learning.losses import chosen, intersected, lower_bound, masked, supported
from bcrlsp.learning.q_algorithm import QAlgorithm
from bcrlsp.learning.views import Views
from bcrlsp.policies.manifest import BEHAVIOUR, COST, DISCOUNTED_COST, VALUE


def cost_errors(
    algorithm: QAlgorithm[Any], views: Views, batch: Batch, options: BaseModel, pessimism: float
) -> dict[str, Tensor]:
    """Mean squared errors of the cost heads that the network has: scalars."""
    now = chosen(views.online[COST], batch.levels)[:, 0]
    errors = {"cost_error": (now - batch.costs).square().mean()}
    if DISCOUNTED_COST in views.online:
        next_chances = _next_chances(algorithm, views, batch, options, pessimism)
        follows = (next_chances * views.target_next[DISCOUNTED_COST][:, 0]).sum(1)
        targets = batch.spent + batch.discounts * follows
        errors["discounted_cost_error"] = (
            (chosen(views.online[DISCOUNTED_COST], batch.levels)[:, 0] - targets).square().mean()
        )
    return errors


def _next_chances(
    algorithm: QAlgorithm[Any], views: Views, batch: Batch, options: BaseModel, pessimism: float
) -> Tensor:
    """(b, a) probabilities of the levels in the next states under the policy that is learned."""
    may = batch.next_allowed
    if algorithm.clones:
        return masked(views.online_next[BEHAVIOUR][:, 0], may).softmax(1)
    support = algorithm.support(options)
    if support:
        may = intersected(supported(views.online_next[BEHAVIOUR], support), may)
    values = masked(lower_bound(views.online_next[VALUE], pessimism), may)
    return nn.functional.one_hot(values.argmax(1), values.shape[1])
