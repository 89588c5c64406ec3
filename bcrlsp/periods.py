"""Periods: the grid of time on which decisions are made.

A period is a half-open interval [start(k), start(k + 1)). Without a zone, period k starts at
origin + k * length. With one (`period.zone`) it starts where a local day begins and has whole local
days: 23 to 25 hours each where clocks change. Its name in tables (column `period`) is the local
date of its start: in the zone, at the offset of `period.origin`, else in UTC. For periods shorter
than a day the start itself (column `period_start`) tells them apart.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, available_timezones

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from bcrlsp.errors import UserError

if TYPE_CHECKING:
    from pyspark.sql import Column

_LENGTH = re.compile(r"^(\d+)(h|d|w)$")
# Dates of periods outside these years are mistyped.
_YEARS = (1900, 2199)
_MOST_PERIODS = 100_000
_DATE = re.compile(r"^\d{4}-\d{2}-\d{2}$")
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_MICROSECOND = timedelta(microseconds=1)
_DAY = timedelta(days=1)
# UTC by another name: the same grid as without a zone.
_UTC_NAMES = ("UTC", "Etc/UTC", "Etc/UCT", "UCT", "Zulu", "Etc/Zulu", "Universal", "Etc/Universal")
_ANCHOR = datetime(2025, 1, 6, tzinfo=UTC)


class Settings(BaseModel):
    """The grid: how long a period is, where it is anchored, and whose days it counts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    length: str = Field(
        "1d",
        description="length of a period: a whole number of hours, days or weeks (6h, 1d, 1w); with "
        "period.zone whole local days or weeks",
    )
    origin: datetime = Field(
        datetime(2025, 1, 6),
        description="start of any one period; all others lie a multiple of the length away. "
        "Without an offset it is UTC, or the zone's local time. Its offset (+01:00) is that of the "
        "periods' dates",
    )
    zone: str | None = Field(
        None,
        description="IANA time zone whose days the periods are, such as Europe/Berlin (23 to 25 "
        "hours where clocks change); null: every day has 24 hours",
    )

    @field_validator("length")
    @classmethod
    def _length(cls, value: str) -> str:
        match = _LENGTH.match(value)
        if not match or int(match[1]) == 0:
            raise ValueError("allowed: a positive whole number followed by h, d or w, such as 6h")
        return value

    @field_validator("zone")
    @classmethod
    def _zone(cls, value: str | None) -> str | None:
        if value is not None and value not in available_timezones():
            raise ValueError("allowed: a name of the IANA time zones, such as Europe/Berlin")
        return value

    @model_validator(mode="after")
    def _fitting(self) -> "Settings":
        if self.zone is None:
            return self
        if self.length.endswith("h"):
            raise ValueError(
                f"length = {self.length} with zone = {self.zone}: a zone's days have 23 to 25 "
                "hours; allowed: whole days or weeks (1d, 1w), or no zone"
            )
        local = _local(self.origin, ZoneInfo(self.zone)).astimezone(ZoneInfo(self.zone))
        if local != _midnight(local.date(), ZoneInfo(self.zone)):
            raise ValueError(
                f"origin = {self.origin.isoformat()} is {local.isoformat()} in zone {self.zone}; "
                f"allowed: the beginning of a day there, such as {local:%Y-%m-%d}"
            )
        return self

    def calendar(self) -> "Calendar":
        """The calendar that these settings describe."""
        number, unit = _LENGTH.match(self.length).groups()  # type: ignore[union-attr]
        length = int(number) * _UNITS[unit]
        if self.zone is not None and self.zone not in _UTC_NAMES:
            return Calendar(_local(self.origin, ZoneInfo(self.zone)), length, zone=self.zone)
        offset = self.origin.utcoffset() or timedelta(0)
        return Calendar(as_utc(self.origin), length, offset=offset)


@dataclass(frozen=True)
class Calendar:
    """Arithmetic between instants and period numbers.

    origin: datetime, UTC, the start of period 0.
    length: timedelta, a whole number of hours; with a zone whole days, of 24 hours each by name.
    zone: IANA time zone whose days the periods are made of, or None.
    offset: timedelta, of local dates from UTC where there is no zone.
    """

    origin: datetime
    length: timedelta
    zone: str | None = None
    offset: timedelta = timedelta(0)

    @property
    def tz(self) -> tzinfo:
        """What local dates are told in."""
        if self.zone is not None:
            return ZoneInfo(self.zone)
        return timezone(self.offset) if self.offset else UTC

    def index(self, instant: datetime) -> int:
        """Number of the period that holds `instant`."""
        instant = as_utc(instant)
        if self.zone is None:
            return (instant - self.origin) // self.length
        index = (instant.astimezone(self.tz).date() - self._first_day) // self.length
        # Where clocks change at midnight, a few minutes have the neighbour's date.
        if instant < self.start(index):
            return index - 1
        return index + (instant >= self.start(index + 1))

    def indices(self, micros: NDArray[np.int64]) -> NDArray[np.int64]:
        """Numbers of the periods that hold instants, microseconds since 1970 UTC: array (n,)."""
        micros = np.asarray(micros, dtype=np.int64)
        if self.zone is None or not micros.size:
            return (micros - _micros(self.origin)) // (self.length // _MICROSECOND)
        bounds = (datetime.fromtimestamp(int(m) / 1e6, UTC) for m in (micros.min(), micros.max()))
        first, last = (self.index(bound) for bound in bounds)
        starts = [_micros(self.start(index)) for index in range(first - 1, last + 2)]
        return first - 2 + np.searchsorted(np.array(starts), micros, side="right")

    def start(self, index: int) -> datetime:
        """First instant of period `index`, UTC."""
        if self.zone is None:
            return self.origin + index * self.length
        return _midnight(self._first_day + index * self.length, self.tz)

    def local_start(self, index: int) -> datetime:
        """Local date and time at which period `index` starts, without an offset."""
        if self.zone is not None:
            return datetime.combine(self._first_day + index * self.length, time())
        return (self.start(index) + self.offset).replace(tzinfo=None)

    def period(self, index: int) -> date:
        """Name of period `index`: the local date on which it starts."""
        return self.local_start(index).date()

    def label(self, index: int) -> str:
        """Start of period `index` for people, local; `parse` reads it back."""
        return f"{self.local_start(index):%Y-%m-%dT%H:%M}"

    @property
    def anchor(self) -> int:
        """Number of the period that holds 2025-01-06 UTC, whichever the origin names."""
        return self.index(_ANCHOR)

    @property
    def identity(self) -> dict[str, str]:
        """What makes it this grid, as text: equal where all periods and their names are equal."""
        zone = self.zone or (str(self.tz) if self.offset else "")
        return {
            "origin": self.start(self.anchor).isoformat(),
            "length": f"{self.length / timedelta(hours=1):g}h",
            "zone": zone,
        }

    def first_on(self, day: date) -> int | None:
        """Number of the first period that starts on a local date: the one that the date names."""
        if self.zone is not None:
            index = (day - self._first_day) // self.length
        else:
            midnight = datetime(day.year, day.month, day.day, tzinfo=self.tz)
            index = -((self.origin - midnight) // self.length)
        return index if self.period(index) == day else None

    def instant(self, text: str) -> datetime:
        """The instant, UTC, that an ISO date or instant names; local where it has no offset.

        Raises ValueError when the text is neither.
        """
        return _local(datetime.fromisoformat(text), self.tz)

    def parse(self, text: str) -> int:
        """Number of the period that starts at `text`: an ISO date or instant (local if no offset).

        A date names the first period that starts on it. Raises UserError when the text is neither
        or no period starts there.
        """
        try:
            day = date.fromisoformat(text) if _DATE.match(text) else None
            if day is not None and _YEARS[0] <= day.year <= _YEARS[1]:
                index = self.first_on(day)
                if index is not None:
                    return index
            instant = self.instant(text)
        except (ValueError, OverflowError):
            raise UserError(
                f"{text!r} is not a date; allowed: an ISO date such as 2025-01-31, "
                "or an instant such as 2025-01-31T06:00"
            ) from None
        if not _YEARS[0] <= instant.year <= _YEARS[1]:
            raise UserError(
                f"{text} lies in the year {instant.year}; allowed: {_YEARS[0]} to {_YEARS[1]}"
            )
        index = self.index(instant)
        if self.start(index) != instant:
            before, after = (self.label(i) for i in (index, index + 1))
            where = f", local time of {zone}" if (zone := self.identity["zone"]) else ""
            raise UserError(
                f"no period starts at {text}; the nearest start at {before} and {after} "
                f"(period.origin {self.label(0)}, period.length {self.length}{where})"
            )
        return index

    def parse_range(self, first: str, last: str) -> range:
        """Numbers of the periods from `first` (included) to `last` (excluded).

        Raises UserError when either is no period's start or the range is empty.
        """
        window = range(self.parse(first), self.parse(last))
        if not window:
            raise UserError(f"--from {first} is not before --to {last}: no period lies between")
        if len(window) > _MOST_PERIODS:
            raise UserError(
                f"--from {first} --to {last} are {len(window):,} periods; allowed: up to "
                f"{_MOST_PERIODS:,} in one run; is one of the dates mistyped?"
            )
        return window

    def index_of(self, instant: "Column") -> "Column":
        """Spark column: number of the period (bigint) that holds a timestamp column."""
        from pyspark.sql import functions as F

        micros = F.unix_micros(instant)
        if self.zone is None:
            since = micros - F.lit(_micros(self.origin))
            return F.floor(since / F.lit(self.length // _MICROSECOND)).cast("bigint")
        local = F.unix_micros(F.from_utc_timestamp(instant, self.zone))
        days = F.floor(local / F.lit(_DAY // _MICROSECOND)) - F.lit(self._first_number)
        index = F.floor(days / F.lit(self.length // _DAY)).cast("bigint")
        early = micros < F.unix_micros(self.start_of(index))
        late = micros >= F.unix_micros(self.start_of(index + F.lit(1)))
        return index - early.cast("bigint") + late.cast("bigint")

    def start_of(self, index: "Column") -> "Column":
        """Spark column: first instant (timestamp) of the period whose number is `index`."""
        from pyspark.sql import functions as F

        if self.zone is None:
            micros = index * F.lit(self.length // _MICROSECOND) + F.lit(_micros(self.origin))
            return F.timestamp_micros(micros)
        day = F.unix_date(self.date_of(index)).cast("bigint")
        return F.to_utc_timestamp(
            F.timestamp_micros(day * F.lit(_DAY // _MICROSECOND)), F.lit(self.zone)
        )

    def date_of(self, index: "Column") -> "Column":
        """Spark column: name (date) of the period whose number is `index`."""
        from pyspark.sql import functions as F

        if self.zone is not None:
            day = index * F.lit(self.length // _DAY) + F.lit(self._first_number)
        else:
            local = F.unix_micros(self.start_of(index)) + F.lit(self.offset // _MICROSECOND)
            day = F.floor(local / F.lit(_DAY // _MICROSECOND))
        return F.date_from_unix_date(day.cast("int"))

    @property
    def _first_day(self) -> date:
        """Local date of period 0, with a zone."""
        return self.origin.astimezone(self.tz).date()

    @property
    def _first_number(self) -> int:
        return (self._first_day - date(1970, 1, 1)).days


def as_utc(instant: datetime) -> datetime:
    """The same instant in UTC; one without an offset is taken as UTC."""
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def _local(instant: datetime, tz: tzinfo) -> datetime:
    """The same instant in UTC; one without an offset is taken as local time of `tz`."""
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=tz)
    return instant.astimezone(UTC)


def _midnight(day: date, tz: tzinfo) -> datetime:
    """The instant, UTC, at which a local date begins.

    A midnight that clocks skip is the moment of the change; of two it is the first, as in Spark.
    """
    return datetime.combine(day, time(), tz).astimezone(UTC)


def _micros(instant: datetime) -> int:
    return (instant - datetime(1970, 1, 1, tzinfo=UTC)) // _MICROSECOND
