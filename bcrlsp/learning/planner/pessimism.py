"""Values that an uncertain response cannot inflate."""

import numpy as np

from bcrlsp.learning.planner.dynamics import Values, values
from bcrlsp.learning.planner.masks import Masks
from bcrlsp.learning.planner.response import Floats, Response


def cautious_values(
    response: Response,
    drawn: list[Response],
    spending: Floats,
    gamma: float,
    price: float,
    pessimism: float,
    masks: Masks | None = None,
) -> tuple[Values, Floats]:
    """The plan's values, the advantage of each level over sending nothing lowered by its error.

    drawn: responses as likely as the fitted one; empty: nothing is lowered.
    pessimism: standard errors by which an advantage is lowered. masks: see `values`.
    Returns the values, and the errors of the advantages, array (s, a, k), 0 at level 0.
    """
    plan = values(response, spending, gamma, price, masks)
    if not drawn:
        return plan, np.zeros_like(plan.reward)
    others = np.stack([values(each, spending, gamma, price, masks).reward for each in drawn])
    error = (others - others[:, :, :1]).std(axis=0)
    return Values(plan.reward - pessimism * error, plan.cost), error
