"""Each mistake gets its line: what, where, what is allowed."""

import math
import pickle
from typing import Any

import numpy as np
import pytest

from bcrlsp.allocation import Budget, InfeasibleBudgetError, solve
from bcrlsp.errors import UserError

VALUE = np.array([[0.0, 1.0], [0.0, 2.0], [0.5, 1.0]])
COST = np.array([[0.0, 1.0], [0.0, 1.0], [0.0, 2.0]])
TOTAL = [Budget("total", 2.0)]


def changed(array: Any, row: int, level: int, number: float) -> Any:
    copy = array.copy()
    copy[row, level] = number
    return copy


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"value": changed(VALUE, 1, 1, math.nan)}, "value of row 1 at level 1 is nan"),
        ({"value": changed(VALUE, 0, 0, math.inf)}, "value of row 0 at level 0 is inf"),
        ({"cost": changed(COST, 2, 1, -0.5)}, "cost of row 2 at level 1 is -0.5"),
        ({"cost": changed(COST, 2, 1, math.nan)}, "cost of row 2 at level 1 is nan"),
        ({"value": VALUE[:2]}, r"value has shape \(2, 2\) and cost \(3, 2\)"),
        ({"value": VALUE[0]}, r"value has shape \(2,\); allowed: \(n, a\)"),
        ({"value": [["x"]], "cost": [[1.0]]}, "value is no array of numbers"),
        ({"value": VALUE[:0], "cost": COST[:0]}, "there are no users"),
        ({"allowed": np.array([[1, 1], [0, 0], [1, 0]], dtype=bool)}, "row 1 has no allowed level"),
        ({"allowed": np.ones((3, 3), dtype=bool)}, "allowed has shape"),
        ({"user_ids": ["a", "b", "a"]}, "user 'a' is there twice"),
        ({"user_ids": ["a", "b"]}, "user_ids has 2 entries"),
        ({"groups": ["g", "g"]}, r"groups has shape \(2,\)"),
        ({"partitions": 0}, "partitions is 0"),
        ({"warm_start": {"totl": 0.1}}, "warm_start has a price for 'totl'.*allowed: total"),
        ({"warm_start": {"total": math.nan}}, "warm_start has a price that is no finite number"),
        ({"budgets": [*TOTAL, Budget("total", 3.0)]}, "two budgets are named 'total'"),
        ({"budgets": TOTAL[0]}, "allowed: a list of Budget"),
        ({"budgets": [Budget("x", 1.0, groups=["g"])]}, "no groups are given"),
        (
            {"budgets": [Budget("x", 1.0, groups=["g", None])], "groups": ["g", "g", None]},
            "budget 'x' names group None; a user without a value in groups is in no group",
        ),
        ({"groups": [["g"], {}, "f"]}, "groups is no list of values"),
        ({"value": VALUE.astype(str)}, "value is no array of numbers"),
        ({"value": VALUE + 1j}, "value is no array of numbers"),
        (
            {"budgets": [Budget("x", 1.0, groups={"town": ["g"]})], "groups": ["g", "g", "f"]},
            "names group column 'town'; allowed: groups",
        ),
        (
            {
                "budgets": [Budget("x", 1.0, groups=["g"])],
                "groups": {"a": [1, 2, 3], "b": [1, 1, 1]},
            },
            "there are 2 group columns",
        ),
        ({"budgets": [Budget("x", 1.0, levels=[2])]}, "names level 2; allowed: 0 to 1"),
        ({"budgets": [Budget("x", 1.0, measure="weight")]}, "unknown budget measure 'weight'"),
    ],
)  # fmt: skip
def test_solve(given: dict[str, Any], line: str) -> None:
    arguments = {"value": VALUE, "cost": COST, "budgets": TOTAL, **given}
    value, cost, budgets = (arguments.pop(name) for name in ("value", "cost", "budgets"))
    with pytest.raises(UserError, match=line) as raised:
        solve(value, cost, budgets, **arguments)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("", 1.0), "name is ''"),
        (("b", -1.0), "limit is -1.0; allowed: a number of at least 0"),
        (("b", math.nan), "limit is nan"),
        (("b", "ten"), "limit is 'ten'"),
        (("b", 1.0, "gold"), "groups is 'gold'; allowed: a collection"),
        (("b", 1.0, []), r"groups is \[\]"),
        (("b", 1.0, None, []), r"levels is \[\]"),
        (("b", 1.0, None, None, "cost", 2.0), "minimum 2.0 is above limit 1.0"),
        (("b", math.inf, None, None, "cost", math.inf), "minimum is inf"),
    ],
)
def test_budget(arguments: tuple[Any, ...], line: str) -> None:
    with pytest.raises(UserError, match=line):
        Budget(*arguments)


@pytest.mark.parametrize("copies", [1, 400])
@pytest.mark.parametrize(
    ("budgets", "name", "side", "nearest"),
    [
        # Level 0 costs 1 a user here: 3 users cannot spend less than 3.
        ([Budget("total", 2.0)], "total", "limit", 3.0),
        ([Budget("loose", 100.0), Budget("floor", 100.0, minimum=8.0)], "floor", "minimum", 7.0),
        # Each alone could be kept.
        ([Budget("low", math.inf, minimum=6.0), Budget("high", 4.0)], "high", "limit", 6.0),
        ([Budget("reach", 9.0, levels=[1], measure="count", minimum=4.0)], "reach", "minimum", 3.0),
    ],
)
def test_infeasible_budgets_are_named(
    budgets: list[Budget], name: str, side: str, nearest: float, copies: int
) -> None:
    value, cost = np.tile(VALUE, (copies, 1)), np.tile(COST, (copies, 1))
    cost[:, 0] = 1.0
    cost[:, 1] += 1.0
    scaled = [
        Budget(b.name, b.limit * copies, None, b.levels, b.measure,
               b.minimum * copies if b.minimum else None)
        for b in budgets
    ]  # fmt: skip
    with pytest.raises(InfeasibleBudgetError) as raised:
        solve(value, cost, scaled)
    error = raised.value
    assert (error.budget, error.side) == (name, side)
    assert error.nearest == pytest.approx(nearest * copies, rel=1e-6)
    assert "\n" not in str(error)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert error.proved


@pytest.mark.parametrize("copies", [3, 1200])
def test_where_parts_of_users_keep_the_budgets_and_whole_ones_do_not(copies: int) -> None:
    # Everybody costs 0 or 2: an odd sum is in reach of halves alone.
    value, cost = np.tile([0.0, 1.0], (copies, 1)), np.tile([0.0, 2.0], (copies, 1))
    with pytest.raises(InfeasibleBudgetError) as raised:
        solve(value, cost, [Budget("odd", 1.5, minimum=1.0)])
    error = raised.value
    assert not error.proved
    assert "nearest found with whole levels is" in str(error)
    assert (error.side, error.nearest) in [("minimum", 0.0), ("limit", 2.0)]
