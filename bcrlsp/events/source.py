"""The extension point for event sources: what one gives, and how one is found.

A source is one module of bcrlsp.events.sources that registers an object with the two members of
`EventSource`. Its rows may be wrong: `ingest` checks them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from pydantic import BaseModel, ValidationError
from pyspark.sql import DataFrame, SparkSession

from bcrlsp.errors import ConfigError
from bcrlsp.periods import Calendar
from bcrlsp.registry import Registry

_HISTORY = timedelta(days=3 * 365)
_AHEAD = timedelta(days=1)


@dataclass(frozen=True)
class Events:
    """What a source gives: the four event tables, with the columns of the contract in any type.

    users: None: those of the other tables, signed up at the first event that was accepted. Else it
        may have one more column, known_ts: from when on the row was known (without the column:
        ingest_ts; where it is null: from sign-up on, and a changed segment from now on).
    whole: these are all events there are, and replace what the tables hold; else they are added.
    checked: the rows are known to meet every rule, so that looking again is a waste.
    no_face_values: the bonuses have none, so that a redemption may cost any amount.
    extra: further tables of the lake that the source fills (always replaced), by name.
    detail: figures about the source that a reader should know, by name.
    notes: what a reader should know of how the rows were read, a line each.
    complete_until: the instant, UTC, before which nothing is missing, where the source knows one.
    """

    activity: DataFrame
    bonuses: DataFrame
    redemptions: DataFrame
    users: DataFrame | None = None
    whole: bool = False
    checked: bool = False
    no_face_values: bool = False
    extra: dict[str, DataFrame] = field(default_factory=dict)
    detail: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    complete_until: datetime | None = None

    def table(self, name: str) -> DataFrame | None:
        """One of the event tables by its name; None for users that come from the others."""
        frame: DataFrame | None = getattr(self, name)
        return frame


@dataclass(frozen=True)
class Grid:
    """What a decision is: when it is made, and between what.

    calendar: the periods. amounts: face value of each level, amounts[0] = 0.
    earliest, latest: instants between which an event can lie; None: see `span`.
    redemption_above_face: the part of its bonus's face value by which a redemption may cost more;
        None: any amount is believed.
    """

    calendar: Calendar
    amounts: tuple[float, ...]
    earliest: datetime | None = None
    latest: datetime | None = None
    redemption_above_face: float | None = 0.0

    @property
    def span(self) -> tuple[datetime, datetime]:
        """The first instant that an event can have, and the first that it cannot have any more.

        Where nothing is said: three years before the calendar's origin, and a day from now, which
        leaves room for clocks that differ.
        """
        return (
            self.earliest or self.calendar.origin - _HISTORY,
            self.latest or datetime.now(UTC) + _AHEAD,
        )


class EventSource(Protocol):
    """A source of events."""

    @property
    def settings(self) -> type[BaseModel]:
        """The model of the source's own settings (a class attribute will do)."""

    def load(self, spark: SparkSession, settings: Any, grid: Grid) -> Events:
        """The events; a mistake in the settings or absent data is a UserError."""


SOURCES: Registry[EventSource] = Registry(
    "event source",
    "bcrlsp.events.sources",
    "bcrlsp.sources",
    also=("bcrlsp.market.event_source",),
)


def load_events(name: str, spark: SparkSession, settings: Mapping[str, Any], grid: Grid) -> Events:
    """The events of the source called `name`.

    settings: the source's own settings, checked here; ConfigError names what is wrong.
    """
    return SOURCES.get(name).load(spark, checked_settings(name, settings), grid)


def checked_settings(name: str, settings: Mapping[str, Any]) -> BaseModel:
    """The settings of the source called `name`, by its own model; needs no Spark.

    ConfigError when there is no such source, or names the setting that is wrong.
    """
    source = SOURCES.get(name)
    try:
        return source.settings.model_validate(dict(settings))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(["events.sources", name, *(str(part) for part in first["loc"])])
        if first["type"] == "missing":
            told = "is missing"
        elif first["type"] == "extra_forbidden":
            allowed = ", ".join(sorted(source.settings.model_fields))
            told = f"is unknown; settings of the source: {allowed}"
        else:
            told = f"= {first['input']!r}: {first['msg'].removeprefix('Value error, ')}"
        raise ConfigError(f"{place} {told}") from None
