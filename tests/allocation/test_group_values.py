"""Groups that are equal match, whatever type holds them; what cannot match is one line."""

import logging
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from bcrlsp.allocation import Budget, solve
from bcrlsp.allocation.spark.build import _group_indices
from bcrlsp.control.limits import Limit, Membership
from bcrlsp.errors import UserError

VALUE = np.tile([0.0, 1.0], (3, 1))
DAY, DAYS = "2025-01-01", ["2025-01-01", "2025-01-02", "2025-01-01"]
EQUAL = [
    (named, held)
    for named in (
        np.datetime64(DAY), np.datetime64(DAY, "ns"), pd.Timestamp(DAY), date(2025, 1, 1),
        datetime(2025, 1, 1),
    )
    for held in (
        np.array(DAYS, "M8[D]"), np.array(DAYS, "M8[ns]"), pd.Series(pd.to_datetime(DAYS)),
        [date.fromisoformat(day) for day in DAYS], [np.datetime64(day) for day in DAYS],
        pd.Categorical(pd.to_datetime(DAYS)),
    )
] + [
    (named, held)
    for named in (0.1, np.float32(0.1), np.float16(0.1), Decimal("0.1"), Fraction(1, 10))
    for held in (
        [0.1, 0.2, 0.1], np.array([0.1, 0.2, 0.1], np.float32), np.array([0.1, 0.2, 0.1], "f2"),
        [Decimal("0.1"), None, np.float32(0.1)], pd.Series([0.1, 0.2, 0.1], dtype="float32"),
    )
] + [
    (2**53 + 1, [2**53 + 1, 1.5, 2**53 + 1]),
    (2**63, [2**63, -1, 2**63]),
    (np.int8(1), [1, 2, 1]),
    (1, np.array([True, False, True])),
    (np.str_("a"), ["a", "b", "a"]),
    (b"a\0", [b"a\0", b"a", b"a\0"]),
    (timedelta(days=1), np.array([1, 2, 1], "m8[D]")),
    (np.timedelta64(24, "h"), pd.Series(pd.to_timedelta([1, 2, 1], unit="D"))),
    (datetime(2025, 1, 1, 1, tzinfo=UTC),
     pd.Series(pd.to_datetime(DAYS)).dt.tz_localize("Europe/Berlin") + pd.Timedelta(hours=2)),
    (pd.Timestamp("2025-01-01T00:00:00.000000001"),
     np.array([1, 0, 1], "m8[ns]") + np.datetime64(DAY)),
]  # fmt: skip


@pytest.mark.parametrize(("named", "held"), EQUAL)
def test_equal_values_are_one_group(named: Any, held: Any) -> None:
    """The first and the third user are in the group, which may not be sent anything."""
    if isinstance(held, list) and held[1] is None:
        held = [*held[:1], Decimal("0.2"), *held[2:]]
    found = solve(VALUE, VALUE, [Budget("b", 0, groups=[named])], groups=held)
    assert found.levels.tolist() == [0, 1, 0]
    counted = Membership((Limit("b", 1, groups=[named]),), np.array([0, 1])).code(held, 3)
    assert [bool(counted[1][code, 0]) for code in counted[0]] == [True, False, True]


@pytest.mark.parametrize(
    ("named", "held", "line"),
    [
        ("2025-01-01", np.array(DAYS, "M8[D]"), "'2025-01-01' (str, a text)"),
        (pd.Timestamp(DAY), DAYS, "Timestamp('2025-01-01 00:00:00') (Timestamp, a time)"),
        (datetime(2025, 1, 1, tzinfo=UTC), np.array(DAYS, "M8[D]"), "a time with a zone"),
        (0.1, [float(np.float32(0.1)), 0.2, 0.3], "0.10000000149011612 (float, a number)"),
        (2**53 + 1, np.array([2**53 + 1, 1.5, 2.5]), "9007199254740992.0 (float, a number)"),
        ("1", [1, 2, "x"], "'1' (str, a text)"),
        (1, ["1", "2", "3"], "1 (int, a number)"),
        (b"a", ["a", "b", "c"], "b'a' (bytes, a bytes)"),
    ],
)
def test_what_cannot_match_is_one_line(named: Any, held: Any, line: str) -> None:
    with pytest.raises(UserError) as raised:
        solve(VALUE, VALUE, [Budget("b", 0, groups=[named])], groups=held)
    assert line in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_group_of_that_type_without_users_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    budgets = [Budget("b", 0, groups=[date(2025, 1, 5)]), Budget("c", 0, groups=[3])]
    held = {"day": np.array(DAYS, "M8[D]"), "number": [1, 2, None]}
    asked = [Budget(b.name, 0, groups={c: b.groups}) for b, c in zip(budgets, held, strict=True)]
    assert solve(VALUE, VALUE, asked, groups=held).levels.all()
    assert sum("counts nobody" in record.message for record in caplog.records) == 2


def test_values_of_arrow_columns_are_read_alike() -> None:
    short = pa.chunked_array([pa.array([0.1, None, np.nan, 0.1], pa.float32())])
    days = pa.chunked_array([pa.array([date(2025, 1, 1)] * 4)])
    keys, code = _group_indices([short, days], 4)
    assert set(keys) == {(0.1, datetime(2025, 1, 1)), (None, datetime(2025, 1, 1))}
    assert code[0] == code[3] != code[1] == code[2]
