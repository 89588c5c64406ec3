"""The grid of periods: Python and Spark agree, and mistakes get their line."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from pyspark.sql import functions as F

from bcrlsp.errors import UserError
from bcrlsp.periods import Calendar, Settings

ORIGIN = datetime(2025, 1, 6, tzinfo=UTC)


@given(
    hours=st.integers(1, 400),
    instant=st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)),
)
def test_an_instant_lies_in_its_own_period(hours: int, instant: datetime) -> None:
    calendar = Calendar(ORIGIN, timedelta(hours=hours))
    index = calendar.index(instant)
    instant = instant.replace(tzinfo=UTC)
    assert calendar.start(index) <= instant < calendar.start(index + 1)


@pytest.mark.parametrize("length", ["6h", "1d", "1w"])
def test_spark_counts_as_python_does(spark, length: str) -> None:
    calendar = Settings(length=length).calendar()
    instants = [
        ORIGIN + timedelta(microseconds=m)
        for m in (-86_400_000_000 * 9 - 1, -1, 0, 1, 21_599_999_999, 604_800_000_000)
    ]
    frame = spark.createDataFrame([(i,) for i in instants], "ts timestamp")
    rows = frame.select(
        F.unix_micros("ts").alias("micros"),
        calendar.index_of(F.col("ts")).alias("k"),
        F.unix_micros(calendar.start_of(calendar.index_of(F.col("ts")))).alias("start"),
    ).collect()
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    for row in rows:
        instant = epoch + timedelta(microseconds=row.micros)
        assert row.k == calendar.index(instant)
        assert epoch + timedelta(microseconds=row.start) == calendar.start(row.k)


def test_a_date_names_the_first_period_that_starts_on_it() -> None:
    weekly = Settings(length="1w", origin=datetime(2017, 1, 2, 5, tzinfo=UTC)).calendar()
    assert weekly.parse("2017-01-16") == weekly.parse("2017-01-16T05:00") == 2
    assert weekly.period(2) == datetime(2017, 1, 16).date()
    quarters = Settings(length="6h").calendar()
    assert quarters.parse("2025-01-07") == 4
    assert quarters.parse("2025-01-07T18:00") == 7


def test_a_mistaken_period_gets_its_line() -> None:
    weekly = Settings(length="1w").calendar()
    assert weekly.parse("2025-01-13") == 1
    with pytest.raises(UserError, match="no period starts at 2025-01-14; the nearest start at"):
        weekly.parse("2025-01-14")
    with pytest.raises(UserError, match="'soon' is not a date; allowed: an ISO date"):
        weekly.parse("soon")
    with pytest.raises(UserError, match="is not before"):
        weekly.parse_range("2025-01-13", "2025-01-13")
    with pytest.raises(ValidationError):
        Settings(length="0d")
