"""`bcrlsp evaluate`: what a policy would have earned and cost, from the logs alone."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from click import FloatRange
from pyspark.sql import functions as F

from bcrlsp.allocation import Budget
from bcrlsp.commands.base import Context, Outcome, command, option
from bcrlsp.decisions.budgets import TOTAL, asked_budgets, check_segments
from bcrlsp.decisions.logged_window import LoggedWindow, of_share
from bcrlsp.decisions.safety_margin import hold_back
from bcrlsp.decisions.trained import Trained, find_policy
from bcrlsp.errors import DataError, UserError
from bcrlsp.evaluation import Comparison, Estimate, compare, estimate
from bcrlsp.tables import Guard, as_rows, patiently
from bcrlsp.tables.unreadable import readable
from bcrlsp.trajectories import require_grid, require_one_definition
from bcrlsp.trajectories.windows import condition, newest_period

MEASURES = ("retention", "cost")
_DRAWS = 2**31


@command(
    "evaluate",
    option("--policy", metavar="ID", required=True, help="The policy."),
    option(
        "--budget",
        type=FloatRange(0),
        help="Money a period. Default: allocation.budgets, or what should cost as the log did.",
    ),
    option("--from", "first", metavar="D", help="First period. Default: the policy's as-of day."),
    option("--to", "last", metavar="D", help="Last period (excluded). Default: the newest."),
)
def evaluate(
    context: Context,
    policy: str,
    budget: float | None = None,
    first: str | None = None,
    last: str | None = None,
) -> Outcome:
    """Estimate retention and cost of a policy under a budget, with intervals, also by segment.

    The target is what `allocate` would choose in each period of the window under its budgets,
    those of the setting allocation.budgets and --budget; the window begins, unless told otherwise,
    where the policy's training data ended.
    """
    with readable(context.lake):
        require_grid(context.lake, context.calendar)
        trained = find_policy(context.deployment, policy)
        guards = _guards(context, trained)
        window = _window(context, trained.as_of.isoformat(), first, last)
        require_one_definition(
            context.lake, *(context.calendar.period(edge) for edge in (window.start, window.stop))
        )
        with context.stage(f"Reading {len(window)} periods of trajectories"):
            table, share = _read(context, window)
    settings = context.config.evaluation
    asked = asked_budgets(context.config.allocation, budget)
    logged = LoggedWindow(table, trained.policy, context.config.allocation.cost)
    budgets = _budgets(context, trained, window, logged, share, asked)
    with context.stage("Choosing levels under the budget"):
        levels = logged.levels([of_share(each, share) for each in budgets])
        target = np.eye(len(logged.policy.amounts))[levels]
    found: list[Estimate] = []
    compared: list[Comparison] = []
    first_estimator, *others = settings.estimators
    for measure in MEASURES:
        with context.stage(f"Estimating {measure}"):
            common: dict[str, Any] = {
                "gamma": settings.gamma,
                "largest": _largest(context, table) if measure == "cost" else None,
                "seed": context.config.seed,
                "settings": settings.estimation,
            }
            by_segment = compare(
                table, target, first_estimator, measure, segments="segment",
                most=settings.segments, **common,
            )  # fmt: skip
            compared += by_segment
            found += [by_segment[0].logged, by_segment[0].target]
            found += [estimate(table, target, name, measure, **common) for name in others]
    same = {
        "policy_id": trained.policy_id,
        "gamma": settings.gamma,
        "periods": len(window),
        "first_period": context.calendar.period(window.start),
        "budgets": {each.name: each.limit for each in budgets},
        "created_ts": datetime.now(UTC),
    }
    rows = [{**_row(each), **same} for each in found]
    apart = [{**_comparison(each), **same} for each in compared]
    # Of a policy the tables hold one run alone: figures of two budgets or windows do not compare.
    # The comparisons are shown where they are of the run of the evaluations, which come last.
    for name, held in (("comparisons", apart), ("evaluations", rows)):
        _write(context, name, held, trained, guards[name])
    figures = {
        "budgets": same["budgets"],
        "asked": {each.name: each.limit for each in asked},
        "share_of_users": share,
        "discounted_periods": _discounted_periods(table, settings.gamma),
    }
    return _told(context, found, rows, apart, figures)


def _largest(context: Context, table: pa.Table) -> float | None:
    """The largest cost that a row may have: the largest face value, or more where the log has it.

    Amounts may have been larger before.
    """
    seen = pc.max(table["cost"]).as_py()
    return max(*context.config.amounts, seen or 0.0) or None


def _guards(context: Context, trained: Trained) -> dict[str, Guard]:
    """What tells this run that another one has evaluated the policy in the meantime."""
    lake, key = context.lake, f"evaluate {trained.policy_id}"
    names = ("comparisons", "evaluations")
    return {name: Guard(key, lake.version(name) if lake.exists(name) else 0) for name in names}


def _write(
    context: Context,
    name: str,
    held: Sequence[Mapping[str, Any]],
    trained: Trained,
    guard: Guard,
) -> None:
    rows, where = as_rows(context.spark, name, held), f"policy_id = '{trained.policy_id}'"
    patiently(lambda: context.lake.replace(name, rows, where, guard=guard))


def _window(context: Context, as_of: str, first: str | None, last: str | None) -> range:
    calendar = context.calendar
    newest = newest_period(context.lake, context.calendar)
    start = calendar.parse(first or as_of)
    stop = calendar.parse(last) if last else newest + 1
    if start >= stop:
        raise UserError(
            f"no period to evaluate on from {calendar.period(start)} to "
            f"{calendar.period(stop)}; name a window with --from and --to (one before "
            f"{as_of} holds what the policy was trained on, and flatters it), or train with an "
            "earlier --as-of"
        )
    return range(start, stop)


def _read(context: Context, window: range) -> tuple[pa.Table, float]:
    """The window's rows, and the share of its users that they are of."""
    columns = "user_id", "period", "period_start", "segment", "step", "state", "level", "reward"
    rows = (
        context.lake.read("trajectories")
        .where(condition(context.calendar, window.start, window.stop))
        .select(*columns, "cost", "propensity", "terminal")
    )
    number, users = rows.agg(F.count("*"), F.countDistinct("user_id")).collect()[0]
    if not number:
        raise DataError(
            f"there are no trajectories from {context.calendar.period(window.start)} to "
            f"{context.calendar.period(window.stop)}; `bcrlsp trajectories` builds them"
        )
    most = context.config.evaluation.most_rows
    if number > most:
        draw = F.pmod(F.xxhash64("user_id", F.lit(context.config.seed)), F.lit(_DRAWS))
        rows = rows.where(draw < int(most / number * _DRAWS))
    table = rows.orderBy("user_id", "step").toArrow()
    kept = len(table["user_id"].unique())
    if kept < users:
        context.say(f"  {kept:,} of {users:,} users, at random (evaluation.most_rows = {most:,})")
    if not kept:
        raise UserError(
            f"evaluation.most_rows = {most} leaves none of {users:,} users with {number:,} rows; "
            "raise it"
        )
    return table, kept / users


def _budgets(
    context: Context,
    trained: Trained,
    window: range,
    logged: LoggedWindow,
    share: float,
    asked: Sequence[Budget],
) -> tuple[Budget, ...]:
    """Budgets of a period, of all users: as `allocate` keeps them, or one like the log's spend.

    The margin of expected costs is the one that was known when the window began.
    """
    if not asked:
        with context.stage("Finding the budget that should cost what the log did"):
            return (Budget(TOTAL, logged.budget_like_the_log() / share),)
    check_segments(context.lake, asked)
    return hold_back(context.deployment, asked, trained, window.start)


def _row(each: Estimate) -> dict[str, Any]:
    return {
        "estimator": each.estimator,
        "measure": each.measure,
        "estimate": each.value,
        "low": each.low,
        "high": each.high,
        "effective_sample_size": each.effective_sample_size,
        "warnings": "; ".join(each.warnings) or None,
    }


def _comparison(each: Comparison) -> dict[str, Any]:
    return {
        "segment": each.segment,
        "measure": each.target.measure,
        "estimator": each.target.estimator,
        "users": each.target.users,
        "logged": each.logged.value,
        "logged_low": each.logged.low,
        "logged_high": each.logged.high,
        "estimate": each.target.value,
        "low": each.target.low,
        "high": each.target.high,
        "gain": each.gain.value,
        "gain_low": each.gain.low,
        "gain_high": each.gain.high,
        "effective_sample_size": each.target.effective_sample_size,
        "warnings": "; ".join(each.target.warnings) or None,
    }


def _discounted_periods(table: pa.Table, gamma: float) -> float:
    """Mean over users of Σ_t gamma^t over their rows: what a value is divided by for a rate."""
    rows = table.group_by("user_id").aggregate([([], "count_all")])["count_all"].to_numpy()
    longest = np.arange(rows.max())
    return float(np.mean(np.cumsum(gamma**longest)[rows - 1]))


def _told(
    context: Context,
    found: list[Estimate],
    rows: Sequence[Mapping[str, Any]],
    compared: Sequence[Mapping[str, Any]],
    figures: Mapping[str, Any],
) -> Outcome:
    budgets: Mapping[str, float] = figures["budgets"]
    asked: Mapping[str, float] = figures["asked"]
    lines = [
        f"budget {name}: {limit:,.2f} a period"
        + (f" ({asked[name]:,.2f} less the margin)" if asked.get(name, limit) != limit else "")
        for name, limit in budgets.items()
    ]
    for each in found:
        number = _interval(each.value, each.low, each.high)
        lines.append(f"{each.measure} by {each.estimator}: {number}")
        lines.extend(f"  {warning}" for warning in each.warnings)
    for row in compared:
        gain = _interval(row["gain"], row["gain_low"], row["gain_high"], "+.4f")
        who = f"{row['segment']} ({row['users']:,})"
        lines.append(f"{row['measure']} gained over the log, {who}: {gain}")
    lines.append(f"evaluations: {context.lake.identifier('evaluations')}")
    lines.append(f"by segment: {context.lake.identifier('comparisons')}")
    data = {
        "estimates": [_plain(row) for row in rows],
        "comparisons": [_plain(row) for row in compared],
        "periods": rows[0]["periods"],
    }
    # What `allocate --budget` would be given: it holds the margin back itself.
    return Outcome(lines, {**data, **figures, "budget": asked.get(TOTAL, budgets.get(TOTAL))})


def _interval(value: float, low: float, high: float, form: str = ".4f") -> str:
    if not np.isfinite(value):
        return "unknown"
    return f"{value:{form}} [{low:{form}}, {high:{form}}]"


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as JSON can hold it."""
    return {
        name: None if isinstance(value, float) and not np.isfinite(value) else value
        for name, value in row.items()
        if name not in ("created_ts", "first_period", "budgets")
    }
