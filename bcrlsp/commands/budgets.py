"""The budgets of a period: those of the settings, and one over all users from the command line."""

from bcrlsp.allocation import Budget
from bcrlsp.commands.base import Context
from bcrlsp.errors import UserError

TOTAL = "total"
"""Name of the budget that --budget gives."""


def asked_budgets(context: Context, total: float | None) -> tuple[Budget, ...]:
    """What was asked for; there may be none."""
    budgets = [each.budget() for each in context.config.allocation.budgets]
    if total is not None:
        budgets.append(Budget(TOTAL, total))
    return tuple(budgets)


def needed_budgets(context: Context, total: float | None) -> tuple[Budget, ...]:
    """The same; UserError where there is none."""
    budgets = asked_budgets(context, total)
    if not budgets:
        raise UserError("no budget: give --budget, or the setting allocation.budgets")
    return budgets
