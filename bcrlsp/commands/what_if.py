"""What an allocation would be worth under other limits, from the passes already made."""

import math
from collections.abc import Sequence

from bcrlsp.allocation import Allocation, Budget
from bcrlsp.errors import UserError

# Each limit is looked at a little below and above: what lies between is known from both sides.
_AROUND = (0.95, 1.0, 1.05)


def parse_limits(text: str | None, budget: Budget) -> list[float]:
    """The limits of --what-if B1,B2,... Raises UserError, also for a budget without a limit."""
    if text is None:
        return []
    if not 0.0 < budget.limit < math.inf:
        raise UserError(
            f"--what-if {text}: budget {budget.name!r} has limit {budget.limit:g}; allowed: other "
            "limits of a budget with a limit above 0"
        )
    try:
        limits = [float(part) for part in text.split(",")]
    except ValueError:
        limits = [math.nan]
    if not all(0.0 <= limit < math.inf for limit in limits):
        raise UserError(
            f"--what-if {text}: allowed: numbers of at least 0 with commas between, such as 50,100"
        )
    return limits


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


def line(name: str, answer: dict[str, float | None]) -> str:
    """One answer for people."""
    head = f"what if {name} were {answer['budget']:,.2f}: "
    most = f"at most {answer['bound']:,.4f}"
    if answer["value"] is None:
        return head + f"value {most}; too little to be looked at, or to be kept"
    return head + f"value about {answer['value']:,.4f} ({most}), spend {answer['spend']:,.2f}"
