"""Periods: the grid of time on which decisions are made.

A period is a half-open interval [start, start + length). Period k starts at origin + k * length;
its name in tables is the UTC date of its start (column `period`), and for periods shorter than a
day the start itself (column `period_start`) tells them apart.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pyspark.sql import Column
from pyspark.sql import functions as F

from bcrlsp.errors import UserError

_LENGTH = re.compile(r"^(\d+)(h|d|w)$")
_DATE = re.compile(r"^\d{4}-\d{2}-\d{2}$")
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_MICROSECOND = timedelta(microseconds=1)


class Settings(BaseModel):
    """The grid: how long a period is, and where the grid is anchored."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    length: str = Field(
        "1d", description="length of a period: a whole number of hours, days or weeks (6h, 1d, 1w)"
    )
    origin: datetime = Field(
        datetime(2025, 1, 6, tzinfo=UTC),
        description="start of any one period, UTC; all others lie a multiple of the length away",
    )

    @field_validator("length")
    @classmethod
    def _length(cls, value: str) -> str:
        match = _LENGTH.match(value)
        if not match or int(match[1]) == 0:
            raise ValueError("allowed: a positive whole number followed by h, d or w, such as 6h")
        return value

    @field_validator("origin")
    @classmethod
    def _origin(cls, value: datetime) -> datetime:
        return as_utc(value)

    def calendar(self) -> "Calendar":
        """The calendar that these settings describe."""
        number, unit = _LENGTH.match(self.length).groups()  # type: ignore[union-attr]
        return Calendar(self.origin, int(number) * _UNITS[unit])


@dataclass(frozen=True)
class Calendar:
    """Arithmetic between instants and period numbers.

    origin: datetime, UTC, the start of period 0.
    length: timedelta, a whole number of hours.
    """

    origin: datetime
    length: timedelta

    def index(self, instant: datetime) -> int:
        """Number of the period that holds `instant`."""
        return (as_utc(instant) - self.origin) // self.length

    def start(self, index: int) -> datetime:
        """First instant of period `index`, UTC."""
        return self.origin + index * self.length

    def period(self, index: int) -> date:
        """Name of period `index`: the UTC date on which it starts."""
        return self.start(index).date()

    def first_on(self, day: date) -> int | None:
        """Number of the first period that starts on a UTC date: the one that the date names."""
        midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
        index = -((self.origin - midnight) // self.length)
        return index if self.period(index) == day else None

    def parse(self, text: str) -> int:
        """Number of the period that starts at `text`: an ISO date or instant (UTC if no offset).

        A date names the first period that starts on it. Raises UserError when the text is neither
        or no period starts there.
        """
        try:
            if _DATE.match(text):
                index = self.first_on(date.fromisoformat(text))
                if index is not None:
                    return index
            instant = as_utc(datetime.fromisoformat(text))
        except (ValueError, OverflowError):
            raise UserError(
                f"{text!r} is not a date; allowed: an ISO date such as 2025-01-31, "
                "or an instant such as 2025-01-31T06:00"
            ) from None
        index = self.index(instant)
        if self.start(index) != instant:
            before, after = (self.start(i).strftime("%Y-%m-%dT%H:%M") for i in (index, index + 1))
            raise UserError(
                f"no period starts at {text}; the nearest start at {before} and {after} "
                f"(period.origin {self.origin:%Y-%m-%dT%H:%M}, period.length {self.length})"
            )
        return index

    def parse_range(self, first: str, last: str) -> range:
        """Numbers of the periods from `first` (included) to `last` (excluded).

        Raises UserError when either is no period's start or the range is empty.
        """
        window = range(self.parse(first), self.parse(last))
        if not window:
            raise UserError(f"--from {first} is not before --to {last}: no period lies between")
        return window

    def index_of(self, instant: Column) -> Column:
        """Spark column: number of the period (bigint) that holds a timestamp column."""
        micros = F.unix_micros(instant) - F.lit(_micros(self.origin))
        return F.floor(micros / F.lit(self.length // _MICROSECOND)).cast("bigint")

    def start_of(self, index: Column) -> Column:
        """Spark column: first instant (timestamp) of the period whose number is `index`."""
        micros = index * F.lit(self.length // _MICROSECOND) + F.lit(_micros(self.origin))
        return F.timestamp_micros(micros)


def as_utc(instant: datetime) -> datetime:
    """The same instant in UTC; one without an offset is taken as UTC."""
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def _micros(instant: datetime) -> int:
    return (instant - datetime(1970, 1, 1, tzinfo=UTC)) // _MICROSECOND
