"""The decisions of one period: planned, made, added up once more, and written."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from bcrlsp.allocation import Allocation, Budget, Certificate, allocate
from bcrlsp.allocation.spark.choice import choose_store
from bcrlsp.decisions.audit import audit
from bcrlsp.decisions.budgets import check_segments
from bcrlsp.decisions.decide import decide
from bcrlsp.decisions.deployment import Deployment
from bcrlsp.decisions.record import Record, commit
from bcrlsp.decisions.runs import certified_run, runs_of
from bcrlsp.decisions.safety_margin import hold_back
from bcrlsp.decisions.trained import Trained, find_policy
from bcrlsp.decisions.what_if import what_if
from bcrlsp.policies.scoring import score
from bcrlsp.trajectories import States, event_versions, find_states, require_grid, users_at

# The table of the scores' blocks, where Spark is more than one machine.
_BLOCKS = "allocation_blocks"


@dataclass(frozen=True)
class PeriodPlan:
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


@dataclass(frozen=True)
class PeriodResult:
    """What was written.

    certificate: what proves it. spend: of the decisions in the table, by budget. row: of the table
    `certificates`, without the period's columns. warnings: what puts the users' states in doubt.
    what_if: see `decisions.what_if`, of the last budget.
    """

    certificate: Certificate
    spend: Mapping[str, float]
    row: Mapping[str, Any]
    warnings: Sequence[str]
    what_if: Sequence[dict[str, float | None]]


def plan_period(
    deployment: Deployment,
    period: int,
    asked: Sequence[Budget],
    policy: str | None = None,
    known_at: datetime | None = None,
) -> PeriodPlan:
    """What an allocation of the period would follow from now; UserError where it cannot be.

    period: its number. asked: the budgets. policy: its id; None: the newest that was trained by
    then. known_at: see `PeriodPlan`.
    """
    require_grid(deployment.lake, deployment.calendar)
    check_segments(deployment.lake, asked)
    # First of all: who decides the period from here on is told apart from what was there.
    seen = runs_of(deployment.lake, deployment.calendar, period)
    trained = find_policy(deployment, policy, deployment.calendar.period(period))
    budgets = hold_back(deployment, asked, trained, period)
    versions = event_versions(deployment.lake)
    run_id = _run_id(deployment, period, trained, budgets, versions, known_at)
    limits = {each.name: each.limit for each in asked}
    return PeriodPlan(period, trained, budgets, limits, versions, run_id, seen, known_at)


def check_plans(
    deployment: Deployment, window: Sequence[int], asked: Sequence[Budget], policy: str | None
) -> None:
    """UserError for what no trajectories can mend: unknown segments, periods without a policy."""
    check_segments(deployment.lake, asked)
    for period in window:
        find_policy(deployment, policy, deployment.calendar.period(period))


def is_done(deployment: Deployment, plan: PeriodPlan) -> bool:
    """Whether the tables hold this very allocation, whole."""
    return certified_run(deployment.lake, deployment.calendar, plan.period) == plan.run_id


def decide_period(
    deployment: Deployment, plan: PeriodPlan, others: Sequence[float] = ()
) -> PeriodResult:
    """Scores the users, solves the LP and writes decisions and certificate.

    others: limits of the last budget of which to say what they would be worth.
    """
    settings, lake = deployment.allocation, deployment.lake
    past = find_states(
        lake,
        deployment.trajectories,
        deployment.feature_set,
        plan.period,
        known_at=plan.known_at,
        versions=plan.versions,
    )
    states = past.rows.select("user_id", "segment", "feature_set", "state")
    trained = plan.trained

    def scores(price: float) -> DataFrame:
        scored = score(states, trained.uri, cost=settings.cost, price=price, digest=trained.digest)
        return scored.drop("state", "feature_set")

    def solve(scored: DataFrame) -> Allocation:
        store = choose_store(lake.spark, settings.search, lake.beside(_BLOCKS))
        return allocate(
            scored, plan.budgets, store=store, groups="segment", settings=settings.search
        )

    name = deployment.calendar.label(plan.period)
    with deployment.stage(f"Scoring users and solving the budget LP of {name}"):
        largest = trained.policy.largest_price
        settled = decide(scores, solve, plan.budgets, largest)
    allocation = settled.allocation
    if largest:
        deployment.log(f"  values at the price {settled.price:.6g}, allocations: {settled.rounds}")
    try:
        with deployment.stage("Writing the allocation"):
            row, spend = _write(deployment, plan, allocation, past)
        answers = what_if(allocation, plan.budgets[-1], others)
        return PeriodResult(allocation.certificate, spend, row, past.warnings, answers)
    finally:
        allocation.release()


def _write(
    deployment: Deployment, plan: PeriodPlan, allocation: Allocation, past: States
) -> tuple[dict[str, Any], Mapping[str, float]]:
    """Adds the decisions up once more, and writes them with their certificate."""
    lake, calendar, certificate = deployment.lake, deployment.calendar, allocation.certificate
    index = plan.period
    key = {"period": calendar.period(index), "period_start": calendar.start(index)}
    decided = _decisions(deployment, allocation, key, plan)
    users = users_at(lake, deployment.trajectories, calendar, index, plan.versions, plan.known_at)
    spend = audit(
        decided,
        users,
        plan.budgets,
        amounts=deployment.amounts,
        certified=certificate.users,
        face=deployment.allocation.cost == "face",
    )
    row = {
        "run_id": plan.run_id,
        "policy_id": plan.trained.policy_id,
        "source_versions": dict(plan.versions),
        "lags": past.lags,
        **{name: getattr(certificate, name) for name in ("value", "bound", "gap", "prices")},
        **{name: getattr(certificate, name) for name in ("limits", "passes", "users")},
        "spend": spend,
    }
    points = [{**key, "run_id": plan.run_id, **point} for point in _frontier(allocation, plan)]
    record = Record(index, plan.run_id, decided, {**key, **row}, points, plan.seen)
    commit(lake, calendar, record)
    return row, spend


def _frontier(allocation: Allocation, plan: PeriodPlan) -> list[dict[str, float]]:
    """Points of the frontier of the last budget, --budget's where it was given; each limit once."""
    if math.isinf(plan.budgets[-1].limit):
        return []
    found = allocation.frontier(plan.budgets[-1].name)
    points = {
        float(spend): {"budget": float(spend), "spend": float(spend), "value": float(value),
                       "price": float(price)}
        for spend, value, price in zip(found.spend, found.value, found.price, strict=True)
    }  # fmt: skip
    return list(points.values())


def _decisions(
    deployment: Deployment, allocation: Allocation, key: Mapping[str, Any], plan: PeriodPlan
) -> DataFrame:
    amounts = F.array(*(F.lit(float(amount)) for amount in deployment.amounts))
    return (
        allocation.decisions.withColumn("amount", F.get(amounts, F.col("level")))
        .withColumn("policy_id", F.lit(plan.trained.policy_id))
        .withColumn("run_id", F.lit(plan.run_id))
        .withColumns({name: F.lit(value) for name, value in key.items()})
    )


def _run_id(
    deployment: Deployment,
    period: int,
    trained: Trained,
    budgets: Sequence[Budget],
    versions: Mapping[str, int],
    known_at: datetime | None,
) -> str:
    """A digest of all that the decisions follow from: the same again is the same run."""
    content = [
        deployment.calendar.start(period).isoformat(),
        trained.policy_id,
        trained.digest,
        list(deployment.amounts),
        [asdict(budget) for budget in budgets],
        dict(versions),
        deployment.allocation.model_dump(mode="json"),
        deployment.trajectories.rules,
    ]
    if known_at is not None:
        content.append(known_at.isoformat())
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
