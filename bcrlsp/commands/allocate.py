"""`bcrlsp allocate`: a bonus level for every user of a period, with its certificate."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from click import FloatRange
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from bcrlsp.allocation import Allocation, Budget, allocate
from bcrlsp.allocation.spark.choice import choose_store
from bcrlsp.commands import what_if as others_of
from bcrlsp.commands.base import Context, Outcome, command, option
from bcrlsp.commands.budgets import needed_budgets
from bcrlsp.commands.holding_back import hold_back
from bcrlsp.commands.policies import Trained, find_policy
from bcrlsp.commands.pricing import settle
from bcrlsp.decisions import Record, audit, certified_run, commit, runs_of
from bcrlsp.policies.scoring import score
from bcrlsp.trajectories import States, event_versions, find_states, require_grid, users_at
from bcrlsp.trajectories.windows import condition

# The table of the scores' blocks, where Spark is more than one machine.
_BLOCKS = "allocation_blocks"


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
    planned = plan(context, context.calendar.parse(period), budget, policy)
    return carry_out(context, planned, others_of.parse_limits(what_if, planned.budgets[-1]))


@dataclass(frozen=True)
class Plan:
    """An allocation that is about to be made, and what it follows from.

    period: number of the period. budgets: with the limits that the LP keeps, less any margin;
    limits: those that were asked for, by name. versions: of the event tables. run_id: digest of it.
    seen: the runs that the period's decisions are of so far. known_at: events that arrived later
    are left out; None: none is.
    """

    period: int
    trained: Trained
    budgets: tuple[Budget, ...]
    limits: Mapping[str, float]
    versions: Mapping[str, int]
    run_id: str
    seen: frozenset[str]
    known_at: datetime | None = None


def plan(
    context: Context,
    period: int,
    budget: float | None,
    policy: str | None,
    known_at: datetime | None = None,
) -> Plan:
    """What an allocation of the period would follow from now; UserError where it cannot be."""
    asked = needed_budgets(context, budget)
    require_grid(context.lake, context.calendar)
    # First of all: who decides the period from here on is told apart from what was there.
    seen = runs_of(context.lake, context.calendar, period)
    trained = find_policy(context, policy, context.calendar.period(period))
    budgets = hold_back(context, asked, trained, period)
    versions = event_versions(context.lake)
    run_id = _run_id(context, period, trained, budgets, versions, known_at)
    limits = {each.name: each.limit for each in asked}
    return Plan(period, trained, budgets, limits, versions, run_id, seen, known_at)


def check(
    context: Context, window: Sequence[int], budget: float | None, policy: str | None
) -> None:
    """UserError for what no trajectories can mend: no budget, or a period without a policy."""
    needed_budgets(context, budget)
    for period in window:
        find_policy(context, policy, context.calendar.period(period))


def is_done(context: Context, planned: Plan) -> bool:
    """Whether the tables hold this very allocation, whole."""
    return certified_run(context.lake, context.calendar, planned.period) == planned.run_id


def carry_out(context: Context, planned: Plan, others: Sequence[float] = ()) -> Outcome:
    """Scores the users, solves the LP and writes decisions and certificate.

    others: limits of the last budget of which to say what they would be worth.
    """
    settings = context.config.allocation
    past = find_states(
        context.lake,
        context.config.trajectories,
        context.feature_set,
        planned.period,
        known_at=planned.known_at,
        versions=planned.versions,
    )
    states = past.rows.select("user_id", "segment", "feature_set", "state")
    trained = planned.trained

    def scores(price: float) -> DataFrame:
        scored = score(states, trained.uri, cost=settings.cost, price=price, digest=trained.digest)
        return scored.drop("state", "feature_set")

    def solve(scored: DataFrame) -> Allocation:
        store = choose_store(context.lake.spark, settings.search, context.lake.beside(_BLOCKS))
        return allocate(
            scored, planned.budgets, store=store, groups="segment", settings=settings.search
        )

    name = context.calendar.label(planned.period)
    with context.stage(f"Scoring users and solving the budget LP of {name}"):
        largest = trained.policy.largest_price
        money = [each.name for each in planned.budgets if each.measure == "cost"]
        settled = settle(scores, solve, largest, money)
    allocation = settled.allocation
    if largest:
        context.say(f"  values at the price {settled.price:.6g}, allocations: {settled.rounds}")
    try:
        with context.stage("Writing the allocation"):
            outcome = _kept(context, planned, allocation, past)
        return _with_others(
            outcome, others_of.what_if(allocation, planned.budgets[-1], others), planned
        )
    finally:
        allocation.release()


def _with_others(
    outcome: Outcome, answers: Sequence[dict[str, float | None]], planned: Plan
) -> Outcome:
    """The outcome with the answers of --what-if."""
    if not answers:
        return outcome
    name = planned.budgets[-1].name
    lines = [others_of.line(name, answer) for answer in answers]
    said = [*outcome.lines[:-1], *lines, outcome.lines[-1]]
    return Outcome(said, outcome.data | {"what_if": list(answers)})


def _kept(context: Context, planned: Plan, allocation: Allocation, past: States) -> Outcome:
    """Adds the decisions up once more, and writes them with their certificate."""
    lake, calendar, found = context.lake, context.calendar, allocation.certificate
    index, amounts = planned.period, context.config.amounts
    key = {"period": calendar.period(index), "period_start": calendar.start(index)}
    decided = _decisions(context, allocation, key, planned)
    spend = audit(
        decided,
        users_at(
            lake,
            context.config.trajectories,
            calendar,
            index,
            planned.versions,
            planned.known_at,
        ),
        planned.budgets,
        amounts=amounts,
        certified=found.users,
        face=context.config.allocation.cost == "face",
    )
    row = {
        **key,
        "run_id": planned.run_id,
        "policy_id": planned.trained.policy_id,
        "source_versions": dict(planned.versions),
        "lags": past.lags,
        **{name: getattr(found, name) for name in ("value", "bound", "gap", "prices")},
        **{name: getattr(found, name) for name in ("limits", "passes", "users")},
        "spend": spend,
    }
    points = [
        {**key, "run_id": planned.run_id, **point} for point in _frontier(allocation, planned)
    ]
    commit(lake, calendar, Record(index, planned.run_id, decided, row, points, planned.seen))
    where = condition(calendar, index, index + 1)
    lines = [f"warning: {line}" for line in past.warnings]
    lines += [
        f"budget {name}: {spend[name]:,.2f} of {_told(limit, planned.limits[name])} "
        f"(price {found.prices[name]:.6g} retained periods a unit of money)"
        for name, limit in found.limits.items()
    ]
    lines += [
        f"users: {found.users:,}; value {found.value:,.4f}, bound {found.bound:,.4f}, "
        f"gap {found.gap:.2e}; passes over the data: {found.passes}",
        f"allocations: {lake.identifier('allocations')} where {where}",
    ]
    data = {name: value for name, value in row.items() if name not in key}
    return Outcome(lines, data | {"period": key["period"].isoformat()})


def _told(limit: float, asked: float) -> str:
    """A limit for people, with the margin that was taken off it."""
    if limit == asked:
        return f"{limit:,.2f}"
    margin = 100 * (1 - limit / asked)
    return f"{limit:,.2f} expected, a margin of {margin:.1f} % below the {asked:,.2f} asked for"


def _frontier(allocation: Allocation, planned: Plan) -> list[dict[str, float]]:
    """Points of the frontier of the last budget, --budget's where it was given; each limit once."""
    if math.isinf(planned.budgets[-1].limit):
        return []
    found = allocation.frontier(planned.budgets[-1].name)
    points = {
        float(spend): {"budget": float(spend), "spend": float(spend), "value": float(value),
                       "price": float(price)}
        for spend, value, price in zip(found.spend, found.value, found.price, strict=True)
    }  # fmt: skip
    return list(points.values())


def _decisions(
    context: Context, allocation: Allocation, key: Mapping[str, Any], planned: Plan
) -> DataFrame:
    amounts = F.array(*(F.lit(float(amount)) for amount in context.config.amounts))
    return (
        allocation.decisions.withColumn("amount", F.get(amounts, F.col("level")))
        .withColumn("policy_id", F.lit(planned.trained.policy_id))
        .withColumn("run_id", F.lit(planned.run_id))
        .withColumns({name: F.lit(value) for name, value in key.items()})
    )


def _run_id(
    context: Context,
    period: int,
    trained: Trained,
    budgets: Sequence[Budget],
    versions: Mapping[str, int],
    known_at: datetime | None,
) -> str:
    """A digest of all that the decisions follow from: the same again is the same run."""
    content = [
        context.calendar.start(period).isoformat(),
        trained.policy_id,
        trained.digest,
        list(context.config.amounts),
        [asdict(budget) for budget in budgets],
        dict(versions),
        context.config.allocation.model_dump(mode="json"),
        context.config.trajectories.rules,
    ]
    if known_at is not None:
        content.append(known_at.isoformat())
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
