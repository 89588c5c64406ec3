"""`bcrlsp allocate`: a bonus level for every user of a period, with its certificate."""

import math

from click import FloatRange

from bcrlsp.allocation import Budget
from bcrlsp.commands.base import Context, Outcome, command, option
from bcrlsp.decisions.budgets import needed_budgets
from bcrlsp.decisions.period import PeriodPlan, PeriodResult, decide_period, plan_period
from bcrlsp.errors import UserError
from bcrlsp.trajectories.windows import condition


@command(
    "allocate",
    option("--period", metavar="D", required=True, help="The period that decisions are for."),
    option("--budget", type=FloatRange(0), help="Most that the period may cost, in money."),
    option("--policy", metavar="ID", help="Default: the newest trained as of the period."),
    option("--what-if", metavar="B1,B2,...", help="Also say what other limits would be worth."),
)
def allocate_period(
    context: Context,
    period: str,
    budget: float | None = None,
    policy: str | None = None,
    what_if: str | None = None,
) -> Outcome:
    """Choose a level for every user of the period, within the budgets, and prove how good it is.

    Budgets are those of the setting allocation.budgets and, with --budget, one over all users.
    --what-if is about the last of them.
    """
    asked = needed_budgets(context.config.allocation, budget)
    deployment = context.deployment
    plan = plan_period(deployment, context.calendar.parse(period), asked, policy)
    limits = _parse_limits(what_if, plan.budgets[-1])
    return described(context, plan, decide_period(deployment, plan, limits))


def described(context: Context, plan: PeriodPlan, result: PeriodResult) -> Outcome:
    """What was decided, for people and for programs."""
    found, spend = result.certificate, result.spend
    where = condition(context.calendar, plan.period, plan.period + 1)
    lines = [f"warning: {line}" for line in result.warnings]
    lines += [
        f"budget {name}: {spend[name]:,.2f} of {_limit(limit, plan.limits[name])} "
        f"(price {found.prices[name]:.6g} retained periods a unit of money)"
        for name, limit in found.limits.items()
    ]
    lines.append(
        f"users: {found.users:,}; value {found.value:,.4f}, bound {found.bound:,.4f}, "
        f"gap {found.gap:.2e}; passes over the data: {found.passes}"
    )
    lines += [_answer(plan.budgets[-1].name, answer) for answer in result.what_if]
    lines.append(f"allocations: {context.lake.identifier('allocations')} where {where}")
    data = {**result.row, "period": context.calendar.period(plan.period).isoformat()}
    if result.what_if:
        data["what_if"] = list(result.what_if)
    return Outcome(lines, data)


def _limit(limit: float, asked: float) -> str:
    """A limit for people, with the margin that was taken off it."""
    if limit == asked:
        return f"{limit:,.2f}"
    margin = 100 * (1 - limit / asked)
    return f"{limit:,.2f} expected, a margin of {margin:.1f} % below the {asked:,.2f} asked for"


def _parse_limits(text: str | None, budget: Budget) -> list[float]:
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


def _answer(name: str, answer: dict[str, float | None]) -> str:
    """One answer for people."""
    head = f"what if {name} were {answer['budget']:,.2f}: "
    most = f"at most {answer['bound']:,.4f}"
    if answer["value"] is None:
        return head + f"value {most}; too little to be looked at, or to be kept"
    return head + f"value about {answer['value']:,.4f} ({most}), spend {answer['spend']:,.2f}"
