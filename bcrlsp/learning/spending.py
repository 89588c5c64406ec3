"""Expected costs, learned beside the values: of the period, and discounted over the horizon."""

from typing import Any

from pydantic import BaseModel
from torch import Tensor, nn

from bcrlsp.learning.batches import Batch
from bcrlsp.learning.losses import both, chosen, likely, lowered, masked
from bcrlsp.learning.q_algorithm import QAlgorithm, Views
from bcrlsp.policies.policy import BEHAVIOUR, COST, COST_AHEAD, VALUE


def cost_errors(
    algorithm: QAlgorithm[Any], views: Views, batch: Batch, options: BaseModel, pessimism: float
) -> dict[str, Tensor]:
    """Mean squared errors of the cost heads that the network has: scalars."""
    now = chosen(views.now[COST], batch.levels)[:, 0]
    errors = {"cost_error": (now - batch.costs).square().mean()}
    if COST_AHEAD in views.now:
        next_chances = _next_chances(algorithm, views, batch, options, pessimism)
        follows = (next_chances * views.target_ahead[COST_AHEAD][:, 0]).sum(1)
        targets = batch.spent + batch.discounts * follows
        errors["discounted_cost_error"] = (
            (chosen(views.now[COST_AHEAD], batch.levels)[:, 0] - targets).square().mean()
        )
    return errors


def _next_chances(
    algorithm: QAlgorithm[Any], views: Views, batch: Batch, options: BaseModel, pessimism: float
) -> Tensor:
    """(b, a) probabilities of the levels in the next states under the policy that is learned."""
    may = batch.next_allowed
    if algorithm.clones:
        return masked(views.ahead[BEHAVIOUR][:, 0], may).softmax(1)
    support = algorithm.support(options)
    if support:
        may = both(likely(views.ahead[BEHAVIOUR], support), may)
    values = masked(lowered(views.ahead[VALUE], pessimism), may)
    return nn.functional.one_hot(values.argmax(1), values.shape[1])
