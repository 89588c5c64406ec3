"""Figures as text: what is unknown is never 0, and nothing is rounded into a lie."""

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bcrlsp.report import text


@pytest.mark.parametrize("form", [text.count, text.money, text.number, text.percent, text.limit])
def test_what_is_not_known_is_unknown(form) -> None:
    assert form(None) == "unknown"
    assert form(math.nan) == "unknown"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (text.count(1234567), "1,234,567"),
        (text.money(1234.5), "1,234.50"),
        (text.money(-0.5), "−0.50"),
        (text.money(math.inf), "unknown"),
        (text.limit(math.inf), "none"),
        (text.limit(12), "12.00"),
        (text.number(0.041666), "0.04167"),
        (text.number(1234.5678), "1,235"),
        (text.number(-1.5, 3), "−1.50"),
        (text.number(0), "0"),
        (text.percent(0.312), "31.2 %"),
        (text.percent(0.0000031), "0.00031 %"),
        (text.percent(0), "0 %"),
        (text.percent(1e-12), "below 0.000001 %"),
        (text.plural(1, "user"), "1 user"),
        (text.plural(1200, "user"), "1,200 users"),
    ],
)
def test_forms(said: str, expected: str) -> None:
    assert said == expected


@given(st.floats(1e-9, 1e12), st.booleans())
def test_a_number_reads_back_within_its_digits(value: float, negative: bool) -> None:
    value = -value if negative else value
    read = float(text.number(value).replace(",", "").replace("−", "-"))
    assert read == pytest.approx(value, rel=0.51e-3)


@given(st.floats(1e-12, 1))
def test_a_gap_above_nothing_is_never_shown_as_nothing(share: float) -> None:
    assert any(digit in text.percent(share) for digit in "123456789")


def test_a_period_is_named_by_its_date_and_hour_where_needed() -> None:
    start = datetime(2025, 1, 6, 6, tzinfo=UTC)
    assert text.instant(start, timedelta(hours=6)) == "2025-01-06 06:00"
    assert text.instant(start.replace(hour=0), timedelta(days=1)) == "2025-01-06"
    assert text.instant(start.replace(hour=0), timedelta(hours=6)) == "2025-01-06 00:00"
