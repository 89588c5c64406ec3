"""One decision for many users: scores at a price, the budget LP, and the price that is paid.

On Spark and in memory, in deployment and in evaluation it is this function alone that turns a
policy's scores into levels.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from bcrlsp.allocation import Budget
from bcrlsp.decisions.price_search import Allocated, Settled, settle

S = TypeVar("S")
A = TypeVar("A", bound=Allocated)


def decide(
    scores: Callable[[float], S],
    solve: Callable[[S], A],
    budgets: Sequence[Budget],
    largest_price: float = 0.0,
) -> Settled[A]:
    """The allocation of the users within `budgets`.

    scores: the users' scores at a price of money. solve: their allocation within the budgets.
    largest_price: that the policy knows; 0: its values do not depend on the price.
    Raises InfeasibleBudgetError where the budgets cannot be kept.
    """
    money = [each.name for each in budgets if each.measure == "cost"]
    return settle(scores, solve, largest_price, money)
