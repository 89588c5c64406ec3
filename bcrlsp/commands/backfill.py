"""`bcrlsp backfill`: past periods, each whole or not at all, from where the last run stopped."""

from collections.abc import Sequence

from click import FloatRange

from bcrlsp.commands.allocate import described
from bcrlsp.commands.base import Context, Outcome, command, option
from bcrlsp.commands.trajectories import FORCE, KNOWN_AT, WINDOW, parse_instant, trajectories
from bcrlsp.decisions.budgets import needed_budgets
from bcrlsp.decisions.period import PeriodPlan, check_plans, decide_period, is_done, plan_period
from bcrlsp.errors import UserError

STEPS = ("trajectories", "allocate")


@command(
    "backfill",
    *WINDOW,
    option("--steps", default="trajectories", help=f"Some of {','.join(STEPS)}, with commas."),
    option("--budget", type=FloatRange(0), help="Of each period, for the step allocate."),
    option("--policy", metavar="ID", help="For allocate. Default: the newest as of each period."),
    FORCE,
    KNOWN_AT,
)
def backfill(
    context: Context,
    first: str,
    last: str,
    steps: str,
    budget: float | None = None,
    policy: str | None = None,
    force: bool = False,
    known_at: str | None = None,
) -> Outcome:
    """Build past periods from --from (included) to --to (excluded); what is right is skipped."""
    chosen = _steps(steps)
    window = context.calendar.parse_range(first, last)
    if "allocate" in chosen:
        # Before trajectories are built: a mistake changes no table.
        asked = needed_budgets(context.config.allocation, budget)
        check_plans(context.deployment, window, asked, policy)
    outcomes = []
    if "trajectories" in chosen:
        outcomes.append(trajectories(context, first, last, force=force, known_at=known_at))
    if "allocate" in chosen:
        # Every period's plan is made before any is carried out: all are allocated, or none.
        known = parse_instant(known_at, context.calendar)
        asked = needed_budgets(context.config.allocation, budget)
        plans = [plan_period(context.deployment, each, asked, policy, known) for each in window]
        outcomes.append(_allocate(context, plans, force))
    lines = [line for outcome in outcomes for line in outcome.lines]
    data = {name: outcome.data for name, outcome in zip(chosen, outcomes, strict=True)}
    return Outcome(lines, data)


def _steps(text: str) -> list[str]:
    asked = [step.strip() for step in text.split(",")]
    for step in asked:
        if step not in STEPS:
            raise UserError(f"--steps {text}: {step!r} is no step; allowed: {', '.join(STEPS)}")
    return [step for step in STEPS if step in asked]


def _allocate(context: Context, plans: Sequence[PeriodPlan], force: bool) -> Outcome:
    lines: list[str] = []
    done, skipped = [], []
    for each in plans:
        name = context.calendar.start(each.period).isoformat()
        if not force and is_done(context.deployment, each):
            skipped.append(name)
            continue
        done.append(name)
        outcome = described(context, each, decide_period(context.deployment, each))
        lines.extend(f"{name[:16]} {line}" for line in outcome.lines[:-1])
    lines.append(
        f"{len(done)} periods allocated, {len(skipped)} were right already: "
        f"{context.lake.identifier('allocations')}"
    )
    return Outcome(lines, {"built": done, "skipped": skipped})
