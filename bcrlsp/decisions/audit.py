"""The last look before money is promised: what is about to be written, added up once more.

It knows nothing of how the levels were found. Amounts and costs are taken as the decimal numbers
that they are written as, and their sums are exact.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from bcrlsp.allocation import Budget
from bcrlsp.allocation.measures import MEASURES
from bcrlsp.allocation.problem.fixed_point import PLACES
from bcrlsp.allocation.problem.limits import meant
from bcrlsp.errors import UnsoundAllocationError

# A cost is added with so many digits behind the point.
_DIGITS = 18


def audit(
    decisions: DataFrame,
    users: DataFrame,
    budgets: Sequence[Budget],
    *,
    amounts: Sequence[float],
    certified: int,
    face: bool,
) -> dict[str, float]:
    """What the decisions use of each budget, by name.

    decisions: user_id, level, amount, value, cost, as they will stand in the table.
    users: user_id, segment of all users of the period. amounts: (a,), money, face value of a level.
    certified: users that the certificate speaks of. face: whether a level costs its amount; else
        the costs are the expected ones of the decisions.

    Raises UnsoundAllocationError, one line, where a user has no row, two rows or is unknown, where
    a level is none or one that the user may not get, where an amount is not its level's, and where
    a budget is passed, or its floor not reached, by any amount at all; a limit is what
    `bcrlsp.allocation.problem.limits` takes it for. Expected costs are no exact numbers: there the
    last digit of a double is left to rounding.
    """
    groups = totals(decisions, users, amounts, face)
    return judge(groups, budgets, levels=len(amounts), certified=certified, face=face)


@dataclass(frozen=True)
class Group:
    """Decisions of one segment and level. cost: their exact sum. wrong: rows by problem."""

    segment: str | None
    level: int | None
    rows: int
    cost: Decimal | None
    wrong: Mapping[str, int] = field(default_factory=dict)


def judge(
    groups: Sequence[Group],
    budgets: Sequence[Budget],
    *,
    levels: int,
    certified: int,
    face: bool,
) -> dict[str, float]:
    """What the groups together use of each budget, by name; raises as `audit`."""
    rows = sum(group.rows for group in groups)
    for problem, told in _PROBLEMS.items():
        number = sum(group.wrong.get(problem, 0) for group in groups)
        if number:
            raise _unsound(f"{number:,} of {rows:,} {told}")
    if rows != certified:
        raise _unsound(f"there are {rows:,} rows, and the certificate is of {certified:,} users")
    spend: dict[str, float] = {}
    for budget in budgets:
        used, users = _used(budget, groups, levels)
        slack = Fraction(0) if face else used * Fraction(1, 2**52) + Fraction(rows, 10**_DIGITS)
        step = _step(groups) if face else None
        if not math.isinf(budget.limit) and used - slack > meant(budget.limit, step, users, 1):
            raise _unsound(_passed(budget, "limit", used, budget.limit))
        if budget.minimum is not None and used + slack < meant(budget.minimum, step, users, -1):
            raise _unsound(_passed(budget, "minimum", used, budget.minimum))
        spend[budget.name] = float(used)
    return spend


_PROBLEMS = {
    "missing": "users have no decision",
    "strangers": "decisions are of no user of the period",
    "levels": "decisions are of no level that there is",
    "amounts": "decisions have another amount than the settings give their level",
    "numbers": "decisions have a value or cost that is no number, as levels have that a user may "
    "not get",
    "costs": "decisions cost another amount than the face value of their level",
}


def totals(
    decisions: DataFrame, users: DataFrame, amounts: Sequence[float], face: bool
) -> list[Group]:
    """Rows, sums of costs and what is wrong, by segment and level; see `audit`."""
    known = users.select("user_id", "segment", F.lit(True).alias("known"))
    decided = decisions.select(
        "user_id", "level", "amount", "value", "cost", F.lit(True).alias("decided")
    )
    named = F.coalesce(F.col("decided"), F.lit(False))
    level = F.col("level").between(0, len(amounts) - 1)
    faces = F.array(*(F.lit(float(amount)) for amount in amounts))
    # An index outside gives null, which no amount equals.
    expected = F.get(faces, F.when(level, F.col("level")))
    money = F.expr(f"try_cast(cost AS DECIMAL(38, {_DIGITS}))")
    good = F.col("value").isNotNull() & ~F.isnan("value") & (F.abs("value") < math.inf)
    good &= F.coalesce(money >= 0, F.lit(False)) & ~F.isnan("cost")
    equal = F.coalesce(F.col("cost") == F.col("amount"), F.lit(False)) | F.lit(not face)
    wrong = {
        "missing": ~named,
        "strangers": F.col("known").isNull(),
        "levels": named & ~F.coalesce(level, F.lit(False)),
        "amounts": named & ~F.coalesce(F.col("amount") == expected, F.lit(False)),
        "numbers": named & ~good,
        "costs": named & ~equal,
    }
    counted = (F.sum(F.when(rule, 1).otherwise(0)).alias(name) for name, rule in wrong.items())
    found = (
        decided.join(known, "user_id", "full_outer")
        .groupBy("segment", "level")
        .agg(F.count("*").alias("rows"), F.sum(money).alias("cost"), *counted)
        .collect()
    )
    return [
        Group(
            row["segment"],
            row["level"],
            row["rows"],
            row["cost"],
            {problem: row[problem] for problem in wrong},
        )
        for row in found
    ]


def _used(budget: Budget, groups: Sequence[Group], levels: int) -> tuple[Fraction, int]:
    """Exactly what the decisions use of a budget, by its measure's weights on cost and count.

    And how many users it counts.
    """
    counted = np.ones(levels, bool)
    if budget.levels is not None:
        counted[:] = False
        counted[list(budget.levels)] = True
    on_cost, on_count = MEASURES.get(budget.measure)(counted)
    segments = budget.groups
    if isinstance(segments, Mapping):
        segments = segments["segment"]
    used, users = Fraction(0), 0
    for group in groups:
        if group.level is None or group.cost is None:  # not counted: told as wrong before
            continue
        if segments is None or group.segment in segments:
            used += _exact(on_cost[group.level]) * Fraction(group.cost)
            used += _exact(on_count[group.level]) * group.rows
            users += group.rows
    return used, users


def _step(groups: Sequence[Group]) -> Fraction | None:
    """The last decimal place of the amounts, by what one bonus of a group costs; None beyond
    `PLACES`."""
    each = [Fraction(group.cost) / group.rows for group in groups if group.cost and group.rows]
    for places in range(PLACES + 1):
        if all((amount * 10**places).denominator == 1 for amount in each):
            return Fraction(1, 10**places)
    return None


def _exact(number: float) -> Fraction:
    """The decimal number that a double is written as: 0.1 is a tenth."""
    return Fraction(Decimal(repr(float(number))))


def _passed(budget: Budget, side: str, used: Fraction, bound: Any) -> str:
    return (
        f"budget {budget.name!r} has the {side} {bound} and {float(used)!r} would be used, "
        f"{'above' if side == 'limit' else 'below'} it"
    )


def _unsound(what: str) -> UnsoundAllocationError:
    return UnsoundAllocationError(
        f"the allocation is not what its certificate says: {what}; nothing was written. This is a "
        "defect: please report it with the settings, and do not send these bonuses"
    )
