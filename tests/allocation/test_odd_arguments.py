"""Arguments of odd types are one line; those that are meant as numbers are read as such."""

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from bcrlsp.allocation import Budget, Settings, solve
from bcrlsp.errors import UserError

VALUE = COST = [[0.0, 1.0]] * 3
ODD = (Decimal("sNaN"), Decimal("1e400"), 10**400, 10**5000, "1", 1j, True, np.array([1.0]), [1])


@pytest.mark.parametrize("field", ["limit", "minimum"])
@pytest.mark.parametrize("number", ODD, ids=range(len(ODD)))
def test_limits(field: str, number: Any) -> None:
    with pytest.raises(UserError, match=f"budget 'b': {field} is .*allowed: a number") as raised:
        Budget("b", **{"limit": math.inf, field: number})
    assert len(str(raised.value)) < 200
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "one", [1, np.int8(1), np.float32(1), np.array(1.0), Decimal(1), Fraction(1)]
)
def test_numbers_of_all_types_are_limits(one: Any) -> None:
    assert solve(VALUE, COST, [Budget("b", one)]).spend == {"b": 1.0}
    assert solve([[1.0, 0.0]] * 3, COST, [Budget("b", 9, minimum=one)]).spend == {"b": 1.0}
    for other in (Decimal("0.5"), Fraction(1, 2), 0.5):
        assert solve(VALUE, COST, [Budget("b", one, minimum=other)]).spend == {"b": 1.0}
        with pytest.raises(UserError, match="is above limit"):
            Budget("b", other, minimum=one)


@pytest.mark.parametrize("levels", [[1.5], ["1"], [True], [None], [[1]], [math.nan], 1, "1"])
def test_levels(levels: Any) -> None:
    with pytest.raises(UserError, match="budget 'b': levels"):
        Budget("b", 1, levels=levels)


def test_whole_floats_are_levels() -> None:
    for levels in ([1.0], np.array([1.0]), {1}, range(1, 2), np.array([1], np.int8)):
        found = solve(VALUE, COST, [Budget("b", 1, levels=levels, measure="count")])  # type: ignore[arg-type]
        assert found.spend == {"b": 1.0}


@pytest.mark.parametrize(
    "groups", [3, [["a"]], [{}], np.array([["a"]]), np.array("a"), {"groups": [["a"]]}]
)
def test_groups(groups: Any) -> None:
    with pytest.raises(UserError, match="budget 'b': groups"):
        Budget("b", 1, groups=groups)


@pytest.mark.parametrize(
    ("given", "line"),
    [
        *(({"warm_start": {"b": price}}, "warm_start has a price that is no finite number for 'b'")
          for price in ("1", 10**400, None, [1], 1j, Decimal("sNaN"))),
        ({"warm_start": 3}, "warm_start is 3"),
        ({"warm_start": {3: 1, "c": 2}}, "which is no budget; allowed: b"),
        *(({"tolerance": number}, "tolerance is .*allowed: a finite number above 0")
          for number in (math.nan, -1, 0, "x", None, [], math.inf, 10**400)),
        *(({"settings": settings}, "settings is .*allowed: bcrlsp.allocation.Settings")
          for settings in ({}, 3, Settings)),
        ({"settings": Settings().model_copy(update={"max_passes": 0})}, "settings.max_passes is 0"),
        ({"partitions": True}, "partitions is True"),
        *(({"user_ids": ids}, "user_ids is")
          for ids in (3, "abc", {"a", "b", "c"}, {"a": 1, "b": 2, "c": 3})),
        ({"user_ids": ["a", None, "c"]}, "user_ids has None in row 1"),
        ({"allowed": np.full((3, 2), "False")}, "allowed is an array of <U5"),
        ({"allowed": [[1], [1, 0], [1, 1]]}, "allowed is not an array of numbers"),
        ({"allowed": np.ma.masked_equal(np.ones((3, 2)), 1)}, "allowed has masked entries"),
        ({"value": np.ma.masked_equal(VALUE, 1)}, "value has masked entries"),
        ({"cost": np.array([["0", "1"]] * 3, dtype=object)}, "cost is no array of numbers"),
        ({"groups": np.ma.masked_equal([1, 2, 3], 2)}, "groups has masked entries"),
    ],
)  # fmt: skip
def test_solve(given: dict[str, Any], line: str) -> None:
    arguments = {"value": VALUE, "cost": COST, "budgets": [Budget("b", 1)], **given}
    with pytest.raises(UserError, match=line) as raised:
        solve(**arguments)
    assert "\n" not in str(raised.value)


def test_ids_may_come_one_by_one() -> None:
    found = solve(VALUE, COST, [Budget("b", 1)], user_ids=(f"u{i}" for i in range(3)))  # type: ignore[arg-type]
    same = solve(VALUE, COST, [Budget("b", 1)], user_ids=["u0", "u1", "u2"], partitions=np.int64(2))  # type: ignore[arg-type]
    np.testing.assert_array_equal(found.levels, same.levels)
