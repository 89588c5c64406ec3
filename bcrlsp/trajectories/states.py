"""Carried states: what the features need of each user's past, at the start of a period.

A snapshot in the table `states` saves reading that past again. It is used where its rows say
that they were built from the same inputs. Any other state is made from the events of the last
`MEMORY` periods, so that snapshots are a saving and never the only copy.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from warnings import warn

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from bcrlsp.errors import DataError
from bcrlsp.features import MEMORY, FeatureSet
from bcrlsp.periods import Calendar
from bcrlsp.tables import Lake
from bcrlsp.trajectories import segments
from bcrlsp.trajectories.completeness import Completeness, Feed, find_completeness, warned
from bcrlsp.trajectories.digests import Digests, scan
from bcrlsp.trajectories.grid import require_grid
from bcrlsp.trajectories.ledger import Ledger
from bcrlsp.trajectories.rows import STATE_SCHEMA, state_rows
from bcrlsp.trajectories.settings import Settings
from bcrlsp.trajectories.sources import Sources
from bcrlsp.trajectories.windows import condition


@dataclass(frozen=True)
class States:
    """The states at the start of a period, and what puts them in doubt.

    rows: see `states_at`. lags: periods before it that are not over for a feed, by its name.
    warnings: lines for people.
    """

    rows: DataFrame
    lags: dict[str, int]
    warnings: list[str]


def states_at(
    lake: Lake,
    settings: Settings,
    feature_set: FeatureSet,
    period: int,
    *,
    known_at: datetime | None = None,
    versions: Mapping[str, int] | None = None,
) -> DataFrame:
    """The state of every user that had signed up before `period` began.

    period: number of the period. DataError when the events do not reach to it, or activity or
    bonuses lag more than `settings.max_lag` periods behind it: silence that was never seen would be
    taken for absence. A smaller lag is warned of. UserError when the lake has another grid.
    versions: of the event tables; None: the newest.
    Returns user_id string, period date, period_start timestamp, step int, segment string,
    carry binary, feature_set string, inputs string, state array<float> (d,).
    """
    states = find_states(lake, settings, feature_set, period, known_at=known_at, versions=versions)
    for line in states.warnings:
        warn(line, stacklevel=2)
    return states.rows


def find_states(
    lake: Lake,
    settings: Settings,
    feature_set: FeatureSet,
    period: int,
    *,
    known_at: datetime | None = None,
    versions: Mapping[str, int] | None = None,
) -> States:
    """As `states_at`, with what is to be said of them."""
    require_grid(lake, feature_set.calendar)
    sources = Sources.pin(lake, feature_set.calendar, settings, known_at, versions)
    found = find_completeness(sources, period - MEMORY)
    _require_past(found, period)
    digests = scan(sources, feature_set, period, period)
    warnings = list(_lagging(found, period))
    warnings += warned(found, period - MEMORY, period)
    rows = Snapshots(sources, feature_set, digests).at(period)
    return States(rows, found.lags(period), warnings)


def users_at(
    lake: Lake,
    settings: Settings,
    calendar: Calendar,
    period: int,
    versions: Mapping[str, int] | None = None,
    known_at: datetime | None = None,
) -> DataFrame:
    """user_id, segment of every user that had signed up before `period` began: see states_at."""
    sources = Sources.pin(lake, calendar, settings, known_at, versions)
    users, told = sources.users(period), sources.segments()
    if told is not None:
        users = segments.as_of(users, told, period)
    return users.select("user_id", "segment")


def _require_past(found: Completeness, period: int) -> None:
    """DataError unless the events reach to the start of `period`, closely enough in each feed."""
    calendar, lags = found.calendar, found.lags(period)
    reached = [_reached(found.feeds[name]) for name in ("activity", "bonuses")]
    last = max((each for each in reached if each is not None), default=None)
    start = calendar.label(period)
    if last is None or last < period - 1:
        there = "none" if last is None else calendar.label(last)
        raise DataError(
            f"no state at {start}: the last period with events before it is {there}; allowed: up "
            "to the period after it; ingest the events between"
        )
    worst = max(lags, key=lambda name: lags[name], default=None)
    if worst is not None and lags[worst] > found.settings.max_lag:
        raise DataError(
            f"no state at {start}: {'; '.join(_lagging(found, period))}; allowed: a lag of "
            f"{found.settings.max_lag} (trajectories.max_lag); ingest what is missing, or say that "
            f"nothing is: bcrlsp ingest SOURCE --complete-until {worst}=INSTANT"
        )


def _reached(feed: Feed) -> int | None:
    """The last period of which a feed has told something."""
    if feed.until is None:
        return None
    return feed.until - 1 if feed.mark is not None else feed.until


def _lagging(found: Completeness, period: int) -> Iterator[str]:
    for name, lag in found.lags(period).items():
        end = found.feeds[name].watermark(found.calendar)
        told = "has no event" if end is None else f"is complete until {end:%Y-%m-%dT%H:%M}Z"
        periods = "1 period" if lag == 1 else f"{lag} periods"
        yield (
            f"{name} lags {periods} behind {found.calendar.label(period)} (it {told}): features "
            "may take what has not arrived for absence"
        )


class Snapshots:
    """The states of one build: read where they are right, made where they are not."""

    def __init__(self, sources: Sources, feature_set: FeatureSet, digests: Digests) -> None:
        self._sources = sources
        self._features = feature_set
        self._digests = digests
        self._ledger = Ledger(sources, feature_set.hash)

    def read(self, period: int) -> DataFrame | None:
        """The snapshot at the start of `period`, if it is right."""
        held = self._ledger.held("states", period, period + 1).get(period)
        if held is None or held.inputs != self._digests.of_state(period):
            return None
        return self._sources.lake.read("states").where(self._where(period))

    def at(self, period: int) -> DataFrame:
        """The states at the start of `period`, columns of `STATE_SCHEMA`."""
        return self._from(period, period, self.read(period))

    def _made(self, period: int, base: int) -> DataFrame:
        """The same where there is no snapshot at `period`.

        base: an earlier period whose snapshot is tried as the beginning of the fold.
        """
        near = period - MEMORY < base < period
        return self._from(base, period, self.read(base) if near else None)

    def _from(self, start: int, period: int, snapshot: DataFrame | None) -> DataFrame:
        if snapshot is None:
            start = period - MEMORY
        stream = self._sources.stream(start, period, period, period, snapshot)
        digest = self._digests.of_state(period)
        run = state_rows(start, period, self._features, self._sources.settings, digest)
        return stream.mapInArrow(run, STATE_SCHEMA)

    def save(self, period: int, base: int) -> None:
        """Writes the snapshot at the start of `period`, unless it is right or too old to be kept.

        base: an earlier period whose snapshot is tried as the beginning of the fold. Of the
        snapshots, the newest `settings.snapshots` are kept.
        """
        keep, held = self._sources.settings.snapshots, self._held()
        if sum(other > period for other in held) >= keep or self.read(period) is not None:
            return
        lake = self._sources.lake
        lake.replace("states", self._made(period, base), self._where(period))
        for old in sorted({*held, period})[:-keep]:
            nothing = lake.read("states").where(F.lit(False))
            lake.replace("states", nothing, self._where(old))

    def _where(self, period: int) -> str:
        return condition(self._sources.calendar, period, period + 1)

    def _held(self) -> set[int]:
        lake, calendar = self._sources.lake, self._sources.calendar
        lake.create("states")
        index = calendar.index_of(F.col("period_start")).alias("period_index")
        return {
            row["period_index"] for row in lake.read("states").select(index).distinct().collect()
        }
