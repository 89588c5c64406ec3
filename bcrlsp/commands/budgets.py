"""The budgets of a period: those of the settings, and one over all users from the command line."""

import math

from bcrlsp.allocation import Budget
from bcrlsp.commands.base import Context
from bcrlsp.errors import UserError

TOTAL = "total"
"""Name of the budget that --budget gives."""


def asked_budgets(context: Context, total: float | None) -> tuple[Budget, ...]:
    """What was asked for; there may be none. UserError for a total that is no finite number."""
    budgets = [each.budget() for each in context.config.allocation.budgets]
    if total is not None:
        if total == math.inf:
            raise UserError(
                f"--budget {total}: allowed: a finite number of at least 0; leave it out where "
                "allocation.budgets say enough"
            )
        budgets.append(Budget(TOTAL, total))
    return tuple(budgets)


def needed_budgets(context: Context, total: float | None) -> tuple[Budget, ...]:
    """The same; UserError where there is none."""
    budgets = asked_budgets(context, total)
    if not budgets:
        raise UserError("no budget: give --budget, or the setting allocation.budgets")
    return budgets
