"""Carried states: what the features need of each user's past, at the start of a period.

A snapshot in the table `states` saves reading that past again. It is used where its rows say
that they were built from the same inputs. Any other state is made from the events of the last
`MEMORY` periods, so that snapshots are a saving and never the only copy.
"""

from collections.abc import Mapping
from datetime import datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from bcrlsp.errors import DataError
from bcrlsp.features import MEMORY, FeatureSet
from bcrlsp.periods import Calendar
from bcrlsp.tables import Lake
from bcrlsp.trajectories.digests import Digests, scan
from bcrlsp.trajectories.ledger import Ledger
from bcrlsp.trajectories.rows import STATE_SCHEMA, state_rows
from bcrlsp.trajectories.settings import Settings
from bcrlsp.trajectories.sources import Sources
from bcrlsp.trajectories.windows import condition


def states_at(
    lake: Lake,
    settings: Settings,
    feature_set: FeatureSet,
    period: int,
    *,
    known_at: datetime | None = None,
    versions: Mapping[str, int] | None = None,
) -> DataFrame:
    """The state of every user that has signed up by the start of `period`.

    period: number of the period; all of the one before it must be in the events (an event in it, or
    in any later period), else DataError: silence that was never seen would be taken for absence.
    versions: of the event tables; None: the newest.
    Returns user_id string, period date, period_start timestamp, step int, segment string,
    carry binary, feature_set string, inputs string, state array<float> (d,).
    """
    sources = Sources.pin(lake, feature_set.calendar, settings, known_at, versions)
    digests = scan(sources, feature_set, period, period)
    require_past(sources, digests, period)
    return Snapshots(sources, feature_set, digests).at(period)


def users_at(
    lake: Lake,
    settings: Settings,
    calendar: Calendar,
    period: int,
    versions: Mapping[str, int] | None = None,
) -> DataFrame:
    """user_id, segment of every user that has signed up by the start of `period`: see states_at."""
    sources = Sources.pin(lake, calendar, settings, versions=versions)
    return sources.users(period).select("user_id", "segment")


def require_past(sources: Sources, digests: Digests, period: int) -> None:
    """DataError unless the events reach to the start of `period`."""
    if digests.last is None or digests.last < period - 1:
        calendar = sources.calendar
        last = "none" if digests.last is None else f"{calendar.start(digests.last):%Y-%m-%dT%H:%M}"
        raise DataError(
            f"no state at {calendar.start(period):%Y-%m-%dT%H:%M}: the last period with events "
            f"before it is {last}; allowed: up to the period after it; ingest the events between"
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

    def at(self, period: int, base: int | None = None) -> DataFrame:
        """The states at the start of `period`, columns of `STATE_SCHEMA`.

        base: an earlier period whose snapshot is tried as the beginning of the fold.
        """
        start, snapshot = period, self.read(period)
        if snapshot is None and base is not None and period - MEMORY < base < period:
            start, snapshot = base, self.read(base)
        if snapshot is None:
            start = period - MEMORY
        stream = self._sources.stream(start, period, period, period, snapshot)
        digest = self._digests.of_state(period)
        run = state_rows(start, period, self._features, self._sources.settings, digest)
        return stream.mapInArrow(run, STATE_SCHEMA)

    def save(self, period: int, base: int | None = None) -> None:
        """Writes the snapshot at the start of `period`, unless it is right or too old to be kept.

        Of the snapshots, the newest `settings.snapshots` are kept.
        """
        keep, held = self._sources.settings.snapshots, self._held()
        if sum(other > period for other in held) >= keep or self.read(period) is not None:
            return
        lake = self._sources.lake
        lake.replace("states", self.at(period, base), self._where(period))
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
