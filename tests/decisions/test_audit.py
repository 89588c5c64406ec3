"""What is about to be written is added up by hand here, and must come out the same."""

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from pyspark.sql import SparkSession

from bcrlsp.allocation import Budget
from bcrlsp.decisions import audit
from bcrlsp.errors import UnsoundAllocationError, UserError

AMOUNTS = (0.0, 0.1, 0.7)
SCHEMA = "user_id string, level int, amount double, value double, cost double"
# Users a to f; segments n, n, n, s, s, and none.
SEGMENTS = dict(zip("abcdef", ["n", "n", "n", "s", "s", None], strict=True))
LEVELS = dict(zip("abcdef", [1, 1, 1, 2, 0, 2], strict=True))


def audited(
    spark: SparkSession,
    budgets: list[Budget],
    changes: Mapping[str, Any] = {},
    *,
    more: Sequence[tuple[Any, ...]] = (),
    certified: int = 6,
    face: bool = True,
    amounts: tuple[float, ...] = AMOUNTS,
    costs: Mapping[str, float] | None = None,
) -> dict[str, float]:
    """changes: user to a row (level, amount, value, cost) in place of its own; None: no row."""
    rows = {
        user: (level, amounts[level], 1.0, amounts[level] if costs is None else costs[user])
        for user, level in LEVELS.items()
    }
    rows = {user: row for user, row in (rows | dict(changes)).items() if row is not None}
    held = [(user, *row) for user, row in rows.items()] + list(more)
    decisions = spark.createDataFrame(held, SCHEMA)
    users = spark.createDataFrame(list(SEGMENTS.items()), "user_id string, segment string")
    return audit(decisions, users, budgets, amounts=amounts, certified=certified, face=face)


def test_what_is_used_is_the_sum_by_hand(spark: SparkSession) -> None:
    budgets = [
        Budget("total", 1.7),  # 3 x 0.1 + 2 x 0.7, to the cent
        Budget("north", 0.3, groups=["n"]),  # 3 x 0.1 is above 0.3 in binary numbers, not in money
        Budget("named", 0.7, groups={"segment": ["s", "x"]}),
        Budget("without", 0.7, groups=[None]),
        Budget("sent", 5, levels=[1, 2], measure="count"),
        Budget("top", 2, levels=[2], measure="count", minimum=2),
        Budget("free", math.inf, minimum=1.7),
        Budget("small", 0.3, levels=[0, 1]),
        Budget("none", 0.0, levels=[0]),
    ]
    assert audited(spark, budgets) == {
        "total": 1.7, "north": 0.3, "named": 0.7, "without": 0.7, "sent": 5.0, "top": 2.0,
        "free": 1.7, "small": 0.3, "none": 0.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("budget", "told"),
    [
        (
            Budget("b", math.nextafter(1.7, 0)),
            r"the limit 1.69\d+ and 1.7 would be used, a",
        ),
        (Budget("b", 0.0), "has the limit 0.0 and 1.7 would be used, above it"),
        (Budget("b", 0.29, groups=["n"]), "has the limit 0.29 and 0.3 would be used"),
        (Budget("b", 1, levels=[2], measure="count"), "has the limit 1 and 2.0 would be used"),
        (Budget("b", 9, minimum=math.nextafter(1.7, 2)), "has the minimum .* below it"),
        (Budget("b", 9, levels=[1], measure="count", minimum=4), "has the minimum 4 and 3.0"),
    ],
)
def test_a_budget_that_is_passed_by_anything_is_told(
    spark: SparkSession, budget: Budget, told: str
) -> None:
    with pytest.raises(UnsoundAllocationError, match=told) as caught:
        audited(spark, [Budget("other", 99.0), budget])
    assert "\n" not in str(caught.value)
    assert not isinstance(caught.value, UserError)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"changes": {"b": None}}, "1 of 6 users have no decision"),
        ({"changes": {"b": None}, "certified": 5}, "1 of 6 users have no decision"),
        ({"more": [("z", 0, 0.0, 1.0, 0.0)]}, "1 of 7 decisions are of no user of the period"),
        ({"more": [("a", 0, 0.0, 1.0, 0.0)]}, "there are 7 rows, and the certificate is of 6 us"),
        ({"certified": 7}, "there are 6 rows, and the certificate is of 7 users"),
        ({"changes": {"b": (3, 0.7, 1.0, 0.7)}}, "1 of 6 decisions are of no level that there is"),
        ({"changes": {"b": (-1, 0.0, 1.0, 0.0)}}, "1 of 6 decisions are of no level"),
        ({"changes": {"b": (None, 0.0, 1.0, 0.0)}}, "1 of 6 decisions are of no level"),
        ({"changes": {"b": (1, 0.7, 1.0, 0.1)}}, "1 of 6 decisions have another amount"),
        ({"changes": {"b": (1, None, 1.0, 0.1)}}, "1 of 6 decisions have another amount"),
        ({"changes": {"b": (1, math.nan, 1.0, 0.1)}}, "1 of 6 decisions have another amount"),
        ({"changes": {"b": (1, 0.1, 1.0, 0.0)}}, "1 of 6 decisions cost another amount"),
        ({"changes": {"b": (1, 0.1, -math.inf, 0.1)}}, "a value or cost that is no number"),
        ({"changes": {"b": (1, 0.1, math.nan, 0.1)}}, "a value or cost that is no number"),
        ({"changes": {"b": (1, 0.1, None, 0.1)}}, "a value or cost that is no number"),
        ({"changes": {"b": (1, 0.1, 1.0, math.nan)}, "face": False}, "a value or cost that is no"),
        ({"changes": {"b": (1, 0.1, 1.0, math.inf)}, "face": False}, "a value or cost that is no"),
        ({"changes": {"b": (1, 0.1, 1.0, -0.1)}, "face": False}, "a value or cost that is no nu"),
        ({"changes": {"b": (1, 0.1, 1.0, 1e30)}, "face": False}, "a value or cost that is no nu"),
    ],
)
def test_rows_that_cannot_be_are_told(
    spark: SparkSession, given: dict[str, Any], told: str
) -> None:
    with pytest.raises(UnsoundAllocationError, match=told) as caught:
        audited(spark, [Budget("total", 1e9)], **given)
    assert "nothing was written" in str(caught.value)


def test_expected_costs_are_added_as_they_are(spark: SparkSession) -> None:
    costs = dict(zip("abcdef", np.random.default_rng(4).random(6).tolist(), strict=True))
    total = sum(Decimal(repr(cost)) for cost in costs.values())
    budget = Budget("total", float(total) * 1.01)
    assert audited(spark, [budget], costs=costs, face=False) == {"total": float(total)}
    south = sum(Decimal(repr(costs[user])) for user in "de")
    less = Budget("s", float(south) * (1 - 1e-14), groups=["s"])
    with pytest.raises(UnsoundAllocationError, match="'s' has the limit"):
        audited(spark, [less], costs=costs, face=False)
