"""What an allocation would be worth under other limits, from the passes already made."""

import math
from collections.abc import Sequence

from bcrlsp.allocation import Allocation, Budget

# Each limit is looked at a little below and above: what lies between is known from both sides.
_AROUND = (0.95, 1.0, 1.05)


def what_if(
    allocation: Allocation, budget: Budget, limits: Sequence[float]
) -> list[dict[str, float | None]]:
    """budget, value, bound and spend at each limit of `budget`, by one pass for all of them.

    value: about what an allocation would be worth, None where the limit is below what was looked
    at; bound: what none can pass.
    """
    if not limits:
        return []
    shares = sorted({limit / budget.limit * around for limit in limits for around in _AROUND})
    found = allocation.frontier(budget.name, shares)
    answers: list[dict[str, float | None]] = []
    for limit in limits:
        value, bound = found.at(limit)
        known = not math.isnan(value)
        answers.append(
            {
                "budget": limit,
                "value": min(value, bound) if known else None,
                "bound": bound,
                "spend": min(limit, float(found.spend[-1])) if known else None,
            }
        )
    return answers
