"""What is about to be written is added up by hand here, and must come out the same."""

import math
from collections import Counter
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from bcrlsp.allocation import Budget
from bcrlsp.decisions import audit
from bcrlsp.decisions.audit import Group, judge, totals
from bcrlsp.errors import UnsoundAllocationError, UserError

AMOUNTS = (0.0, 0.1, 0.7)
SCHEMA = "user_id string, level int, amount double, value double, cost double"
USERS = "user_id string, segment string"
# Users a to f; segments n, n, n, s, s, and none.
SEGMENTS = dict(zip("abcdef", ["n", "n", "n", "s", "s", None], strict=True))
LEVELS = dict(zip("abcdef", [1, 1, 1, 2, 0, 2], strict=True))
GROUPS = [
    Group("n", 1, 3, Decimal("0.3")),
    Group("s", 2, 1, Decimal("0.7")),
    Group("s", 0, 1, Decimal(0)),
    Group(None, 2, 1, Decimal("0.7")),
]
BUDGETS = [
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
USED = {
    "total": 1.7, "north": 0.3, "named": 0.7, "without": 0.7, "sent": 5.0, "top": 2.0,
    "free": 1.7, "small": 0.3, "none": 0.0,
}  # fmt: skip


def judged(groups: list[Group], budgets: list[Budget], **changes: Any) -> dict[str, float]:
    return judge(groups, budgets, **({"levels": 3, "certified": 6, "face": True} | changes))


def test_what_is_used_is_the_sum_by_hand(spark: SparkSession) -> None:
    rows = [(user, level, AMOUNTS[level], 1.0, AMOUNTS[level]) for user, level in LEVELS.items()]
    decisions = spark.createDataFrame(rows, SCHEMA)
    users = spark.createDataFrame(list(SEGMENTS.items()), USERS)
    found = audit(decisions, users, BUDGETS, amounts=AMOUNTS, certified=6, face=True)
    assert found == USED == judged(GROUPS, BUDGETS)


@pytest.mark.parametrize(
    ("budget", "told"),
    [
        (Budget("b", 1.6999), r"has the limit 1\.6999 and 1\.7 would be used, above it"),
        (Budget("b", 0.0), "has the limit 0.0 and 1.7 would be used, above it"),
        (Budget("b", 0.29, groups=["n"]), "has the limit 0.29 and 0.3 would be used"),
        (Budget("b", 1, levels=[2], measure="count"), "has the limit 1 and 2.0 would be used"),
        (Budget("b", 9, minimum=1.7001), "has the minimum .* below it"),
        (Budget("b", 9, levels=[1], measure="count", minimum=4), "has the minimum 4 and 3.0"),
    ],
)
def test_a_budget_that_is_passed_by_anything_is_told(budget: Budget, told: str) -> None:
    with pytest.raises(UnsoundAllocationError, match=told) as caught:
        judged(GROUPS, [Budget("other", 99.0), budget])
    assert "\n" not in str(caught.value)
    assert "nothing was written" in str(caught.value)
    assert not isinstance(caught.value, UserError)


def test_rows_that_cannot_be_are_counted_each_by_its_problem(spark: SparkSession) -> None:
    nan, inf = math.nan, math.inf
    good = (1, 0.1, 1.0, 0.1)
    wrong = {
        "missing": [None],
        "strangers": [("z", *good)],
        "levels": [(3, 0.7, 1.0, 0.7), (-1, 0.0, 1.0, 0.0), (None, 0.0, 1.0, 0.0)],
        "amounts": [(1, 0.7, 1.0, 0.7), (1, None, 1.0, 0.1), (1, nan, 1.0, 0.1)],
        "numbers": [
            (1, 0.1, -inf, 0.1), (1, 0.1, nan, 0.1), (1, 0.1, None, 0.1), (1, 0.1, 1.0, nan),
            (1, 0.1, 1.0, inf), (1, 0.1, 1.0, -0.1), (1, 0.1, 1.0, 1e30), (1, 0.1, 1.0, None),
        ],
        "costs": [(1, 0.1, 1.0, 0.0), (1, 0.1, 1.0, 0.2), (2, 0.7, 1.0, math.nextafter(0.7, 1))],
    }  # fmt: skip
    users, rows = [("fine", "n")], [("fine", *good)]
    for problem, held in wrong.items():
        for number, row in enumerate(held):
            user = f"{problem}-{number}"
            if row is not None and len(row) == 5:
                rows.append(row)
                continue
            users.append((user, "n"))
            if row is not None:
                rows.append((user, *row))
    decisions, known = spark.createDataFrame(rows, SCHEMA), spark.createDataFrame(users, USERS)
    for face in (True, False):
        found: Counter[str] = Counter()
        for group in totals(decisions, known, AMOUNTS, face):
            found.update(group.wrong)
        # A level that there is not has no amount; a cost that is none is not its level's.
        for problem in ("missing", "strangers", "levels"):
            assert found[problem] == len(wrong[problem]), problem
        assert found["amounts"] == len(wrong["amounts"]) + len(wrong["levels"])
        assert found["numbers"] == len(wrong["numbers"])
        assert (found["costs"] >= len(wrong["costs"])) if face else found["costs"] == 0


@pytest.mark.parametrize(
    ("problem", "told"),
    [
        ("missing", "1 of 6 users have no decision"),
        ("strangers", "1 of 6 decisions are of no user of the period"),
        ("levels", "1 of 6 decisions are of no level that there is"),
        ("amounts", "1 of 6 decisions have another amount"),
        ("numbers", "1 of 6 decisions have a value or cost that is no number"),
        ("costs", "1 of 6 decisions cost another amount"),
    ],
)
def test_each_problem_has_its_line(problem: str, told: str) -> None:
    spoiled = [Group("n", 1, 3, Decimal("0.3"), {problem: 1}), *GROUPS[1:]]
    with pytest.raises(UnsoundAllocationError, match=told):
        judged(spoiled, [])


@pytest.mark.parametrize("certified", [0, 5, 7])
def test_a_row_too_many_or_too_few_is_told(certified: int) -> None:
    told = f"6 rows, and the certificate is of {certified} users"
    with pytest.raises(UnsoundAllocationError, match=told):
        judged(GROUPS, [], certified=certified)


@given(
    cents=st.lists(st.integers(0, 10**6), min_size=2, max_size=6),
    counts=st.lists(st.integers(0, 10**7), min_size=6, max_size=6),
    away=st.integers(-2, 2),
)
def test_a_limit_in_cents_is_kept_to_the_cent(
    cents: list[int], counts: list[int], away: int
) -> None:
    """Whole cents, added as integers, say what is above the limit."""
    groups = [
        Group("s", level, counts[level], Decimal(cent * counts[level]) / 100)
        for level, cent in enumerate(cents)
    ]
    total = sum(cent * count for cent, count in zip(cents, counts, strict=False))
    if total + away < 0:
        return
    limit = float(Decimal(total + away) / 100)
    given = {"levels": len(cents), "certified": sum(group.rows for group in groups)}
    if away < 0:
        with pytest.raises(UnsoundAllocationError):
            judged(groups, [Budget("b", limit)], **given)
    else:
        assert judged(groups, [Budget("b", limit)], **given) == {"b": total / 100}


def test_expected_costs_are_added_as_they_are(spark: SparkSession) -> None:
    costs = dict(zip("abcdef", np.random.default_rng(4).random(6).tolist(), strict=True))
    rows = [(user, level, AMOUNTS[level], 1.0, costs[user]) for user, level in LEVELS.items()]
    groups = totals(
        spark.createDataFrame(rows, SCHEMA), spark.createDataFrame(list(SEGMENTS.items()), USERS),
        AMOUNTS, False,
    )  # fmt: skip
    total = sum(Decimal(repr(cost)) for cost in costs.values())
    assert judged(groups, [Budget("b", float(total) * 1.01)], face=False)["b"] == pytest.approx(
        float(total), rel=1e-15
    )
    south = float(sum(Decimal(repr(costs[user])) for user in "de"))
    less = Budget("s", south * (1 - 1e-14), groups=["s"])
    with pytest.raises(UnsoundAllocationError, match="'s' has the limit"):
        judged(groups, [less], face=False)


@pytest.mark.parametrize("users", [8, 1000])
def test_a_limit_that_a_user_added_up_as_floats_is_the_sum(users: int) -> None:
    """As `solve` takes it; a limit that is a Decimal is meant to the letter."""
    groups = [Group(None, 1, users, Decimal(users) / 10)]
    added = sum([0.1] * users)
    assert added < users / 10
    given_ = {"certified": users}
    judged(
        groups, [Budget("b", added), Budget("c", math.inf, minimum=users / 10 + 1e-16)], **given_
    )
    for limit in (added - 1e-4, Decimal(users) / 10 - Decimal("1e-18")):
        with pytest.raises(UnsoundAllocationError, match="above it"):
            judged(groups, [Budget("b", limit)], **given_)  # type: ignore[arg-type]
