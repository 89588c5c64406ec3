"""The budgets of a period: those of the settings, and one over all users from the command line."""

import math
from collections.abc import Iterator, Mapping, Sequence

from bcrlsp.allocation.problem.budget import Budget
from bcrlsp.decisions.settings import AllocationSettings
from bcrlsp.errors import UserError
from bcrlsp.tables import Lake
from bcrlsp.trajectories import known_segments

TOTAL = "total"
"""Name of the budget that --budget gives."""


def asked_budgets(settings: AllocationSettings, total: float | None) -> tuple[Budget, ...]:
    """What was asked for; there may be none. UserError for a total that is no finite number.

    total: limit of one budget over all users, beside those of the settings; None: there is none.
    """
    budgets = [each.budget() for each in settings.budgets]
    if total is not None:
        if total == math.inf:
            raise UserError(
                f"--budget {total}: allowed: a finite number of at least 0; leave it out where "
                "allocation.budgets say enough"
            )
        budgets.append(Budget(TOTAL, total))
    return tuple(budgets)


def needed_budgets(settings: AllocationSettings, total: float | None) -> tuple[Budget, ...]:
    """The same; UserError where there is none."""
    budgets = asked_budgets(settings, total)
    if not budgets:
        raise UserError("no budget: give --budget, or the setting allocation.budgets")
    return budgets


def check_segments(lake: Lake, budgets: Sequence[Budget]) -> None:
    """UserError for a budget of a segment that no user ever had.

    A segment that has nobody in a period is none of that: its budget spends nothing then.
    """
    named = [(each.name, segment) for each in budgets for segment in _segments(each)]
    if not named:
        return
    known = known_segments(lake)
    for name, segment in named:
        if segment not in known:
            raise UserError(
                f"budget {name!r} names group {segment!r}, which no user has in segment; allowed: "
                f"{', '.join(sorted(known)) or 'none, there are no users'}"
            )


def _segments(budget: Budget) -> Iterator[object]:
    groups = budget.groups
    yield from (groups.get("segment", ()) if isinstance(groups, Mapping) else groups or ())
