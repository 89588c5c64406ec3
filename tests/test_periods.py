"""The grid of periods: Python and Spark agree, and mistakes get their line."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
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
    for first, last in (("0001-01-02", "2025-01-13"), ("2025-01-06", "9999-12-31")):
        with pytest.raises(UserError, match=r"lies in the year (1|9999); allowed: 1900 to 2199"):
            weekly.parse_range(first, last)
    with pytest.raises(UserError, match="1,533,864 periods; allowed: up to 100,000 in one run"):
        Settings(length="1h").calendar().parse_range("2025-01-06", "2199-12-31")
    with pytest.raises(ValidationError):
        Settings(length="0d")


# Clocks change at midnight, or at one minute past; a day is skipped; a year of days of odd offsets.
ZONES = (
    "Europe/Berlin", "America/Sao_Paulo", "America/Havana", "Asia/Kolkata", "Africa/Cairo",
    "Australia/Lord_Howe", "America/New_York", "Asia/Tehran",
)  # fmt: skip
MOMENTS = st.datetimes(datetime(1975, 1, 1), datetime(2036, 1, 1)).map(
    lambda moment: moment.replace(tzinfo=UTC)
)


def zoned(zone: str, length: str = "1d", origin: date = date(2017, 10, 15)) -> Calendar:
    return Settings(zone=zone, length=length, origin=origin).calendar()


@given(zone=st.sampled_from(ZONES), moment=MOMENTS)
def test_a_zones_days_are_those_of_its_clocks(zone: str, moment: datetime) -> None:
    calendar = zoned(zone)
    index = calendar.index(moment)
    assert calendar.start(index) <= moment < calendar.start(index + 1)
    assert calendar.period(index) == moment.astimezone(ZoneInfo(zone)).date()
    assert calendar.parse(calendar.period(index).isoformat()) == index
    assert calendar.parse(calendar.start(index).isoformat()) == index
    hours = (calendar.start(index + 1) - calendar.start(index)) / timedelta(hours=1)
    assert 23 <= hours <= 25
    first = calendar.start(index)
    assert (first - timedelta(microseconds=1)).astimezone(ZoneInfo(zone)).date() < calendar.period(
        index
    )


@given(zone=st.sampled_from((*ZONES, "America/St_Johns", "Pacific/Apia")), moment=MOMENTS,
       length=st.sampled_from(("1d", "3d", "1w")))  # fmt: skip
def test_a_zones_periods_leave_nothing_out(zone: str, moment: datetime, length: str) -> None:
    calendar = zoned(zone, length)
    index = calendar.index(moment)
    assert calendar.start(index) <= moment < calendar.start(index + 1)
    micros = np.array([moment, calendar.start(index), calendar.start(index + 1)])
    numbers = np.array([round(each.timestamp() * 1e6) for each in micros])
    assert calendar.indices(numbers).tolist() == [index, index, index + 1]


def test_spark_counts_a_zones_days_as_python_does(spark) -> None:
    rng = np.random.default_rng(0)
    first = datetime(1985, 1, 1, tzinfo=UTC)
    for zone in (*ZONES, "America/St_Johns", "Pacific/Apia"):
        calendar = zoned(zone, "1w" if zone == "Asia/Tehran" else "1d")
        days = rng.integers(0, 51 * 365, 60)
        edges = [calendar.start(calendar.index(first + timedelta(days=int(d)))) for d in days]
        edges += [calendar.start(k) for k in range(-130, 130)]
        instants = [edge + timedelta(microseconds=m) for edge in edges for m in (-1, 0, 3.6e9)]
        frame = spark.createDataFrame([(i,) for i in instants], "ts timestamp")
        index = calendar.index_of(F.col("ts"))
        rows = frame.select(
            F.unix_micros("ts"),
            index,
            F.unix_micros(calendar.start_of(index)),
            calendar.date_of(index),
        ).collect()
        epoch = datetime(1970, 1, 1, tzinfo=UTC)
        for micros, number, start, day in rows:
            assert number == calendar.index(epoch + timedelta(microseconds=micros)), zone
            assert epoch + timedelta(microseconds=start) == calendar.start(number)
            assert day == calendar.period(number)


def test_a_midnight_that_clocks_skip() -> None:
    calendar = zoned("America/Sao_Paulo")
    # On 15 October 2017 clocks went from 00:00 to 01:00: the day began at 03:00 UTC.
    assert calendar.start(0) == datetime(2017, 10, 15, 3, tzinfo=UTC)
    assert calendar.start(1) == datetime(2017, 10, 16, 2, tzinfo=UTC)
    assert calendar.period(0) == date(2017, 10, 15)
    assert calendar.index(datetime(2017, 10, 15, 2, 59, tzinfo=UTC)) == -1


def test_an_offset_names_its_own_dates() -> None:
    calendar = Settings(origin="2025-01-06T00:00:00+01:00").calendar()
    index = calendar.parse("2025-01-07")
    assert calendar.start(index) == datetime(2025, 1, 6, 23, tzinfo=UTC)
    assert (calendar.period(index), calendar.label(index)) == (date(2025, 1, 7), "2025-01-07T00:00")
    assert calendar.parse("2025-01-07T00:00") == calendar.parse("2025-01-06T23:00Z") == index
    quarters = Settings(origin="2025-01-06T00:00:00-06:00", length="6h").calendar()
    assert quarters.start(quarters.parse("2025-01-07")) == datetime(2025, 1, 7, 6, tzinfo=UTC)
    assert quarters.parse("2025-01-07T06:00") == quarters.parse("2025-01-07") + 1
    with pytest.raises(UserError, match=r"2025-01-07T00:00 and 2025-01-07T06:00 .* UTC-06:00"):
        quarters.parse("2025-01-07T03:00")


@pytest.mark.parametrize(
    ("given_", "line"),
    [
        ({"zone": "Mars/Olympus"}, "allowed: a name of the IANA time zones"),
        ({"zone": "Europe/Berlin", "length": "6h"}, "23 to 25 hours; allowed: whole days or weeks"),
        ({"zone": "Europe/Berlin", "length": "24h"}, "23 to 25 hours; allowed: whole days"),
        (
            {"zone": "Europe/Berlin", "origin": "2025-01-06T00:00Z"},
            "2025-01-06T01:00:00.01:00 in zone Europe/Berlin; allowed: the beginning of a day",
        ),
        ({"zone": "Europe/Berlin", "origin": "2025-01-06T12:00"}, "the beginning of a day there"),
    ],
)
def test_a_zone_that_does_not_fit_gets_its_line(given_: dict, line: str) -> None:
    with pytest.raises(ValidationError, match=line):
        Settings(**given_)


def test_a_grid_is_the_same_whichever_of_its_periods_the_origin_names() -> None:
    daily = Settings().calendar().identity
    assert Settings(origin="2019-02-03").calendar().identity == daily
    assert Settings(zone="UTC").calendar().identity == daily
    assert Settings(origin="2025-01-06T01:00").calendar().identity != daily
    assert Settings(origin="2025-01-06T00:00+01:00").calendar().identity != daily
    weekly = zoned("Europe/Berlin", "1w", date(2025, 1, 6)).identity
    assert zoned("Europe/Berlin", "1w", date(2020, 6, 1)).identity == weekly
    assert zoned("Europe/Berlin", "1w", date(2025, 1, 7)).identity != weekly
