"""The margin of an allocation by expected costs, from what past periods were expected to cost."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import ROUND_FLOOR, Decimal

import numpy as np
from pyspark.sql import functions as F

from bcrlsp.allocation import Budget
from bcrlsp.decisions.deployment import Deployment
from bcrlsp.decisions.margin import LEAST_PERIODS, SpendRecord, planned_spend
from bcrlsp.decisions.trained import Trained
from bcrlsp.errors import DataError, UserError
from bcrlsp.policies.scoring import score
from bcrlsp.trajectories.windows import condition


def hold_back(
    deployment: Deployment, budgets: Sequence[Budget], trained: Trained, period: int
) -> tuple[Budget, ...]:
    """The budgets of money, less the margin where the settings ask for one."""
    settings = deployment.allocation
    if settings.cost != "expected" or settings.confidence is None:
        return tuple(budgets)
    with deployment.stage("Comparing expected with realised costs of past periods"):
        record = spend_record(deployment, trained, period)
    if record.periods < LEAST_PERIODS:
        raise DataError(
            f"expected costs can be compared with what was spent in {record.periods} of the "
            f"{settings.margin_periods} periods before; allowed: {LEAST_PERIODS} or more; build "
            "their trajectories, allocate with allocation.cost=face, or without a margin "
            "(allocation.confidence=null)"
        )
    deployment.log(
        f"  spent {record.ratio:.3f} of what was expected in {record.periods} periods, "
        f"one more: ± {record.deviation:.3f} beyond chance"
    )
    return tuple(_less(deployment, budget, record, settings.confidence) for budget in budgets)


def spend_record(deployment: Deployment, trained: Trained, period: int) -> SpendRecord:
    """What the policy expects of the decisions logged before `period`, and what they cost."""
    calendar, reach = deployment.calendar, deployment.trajectories.reach
    # Later periods had not shown their cost when `period` began.
    stop = period - reach
    first = stop - deployment.allocation.margin_periods
    rows = deployment.lake.read("trajectories").where(condition(calendar, first, stop))
    logged = rows.select(
        "user_id", "period_start", "state", "feature_set", "level", F.col("cost").alias("spent")
    )
    scored = score(logged, trained.uri, cost="expected", digest=trained.digest)
    expected = F.get("cost", F.col("level"))
    found = (
        scored.select("period_start", "spent", expected.alias("expected"))
        .groupBy("period_start")
        .agg(
            F.sum("expected").alias("expected"),
            F.sum("spent").alias("spent"),
            F.sum((F.col("spent") - F.col("expected")) ** 2).alias("squared"),
        )
        .orderBy("period_start")
        .collect()
    )
    columns = (
        np.array([row[name] for row in found], float) for name in ("expected", "spent", "squared")
    )
    return SpendRecord.of(*columns)


def _less(deployment: Deployment, budget: Budget, record: SpendRecord, confidence: float) -> Budget:
    if budget.measure != "cost":
        return budget
    limit = planned_spend(budget.limit, record, max(deployment.amounts), confidence)
    if limit < budget.limit:
        limit = _rounded_down(limit)
    if budget.minimum is not None and budget.minimum > limit:
        raise UserError(
            f"budget {budget.name!r}: minimum {budget.minimum:g} is above {limit:.9g}, which the "
            f"margin for expected costs leaves of its limit {budget.limit:g}; lower the minimum, "
            "raise the limit, or allow less confidence (allocation.confidence)"
        )
    return replace(budget, limit=limit)


def _rounded_down(limit: float) -> float:
    """To six digits: the order of Spark's sums, which changes the last ones, changes no run."""
    if limit <= 0:
        return 0.0
    number = Decimal(limit)
    return float(number.quantize(Decimal(1).scaleb(number.adjusted() - 5), ROUND_FLOOR))
