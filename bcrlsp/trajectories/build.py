"""Events to trajectories: the periods of a window, each whole, and only those that are not right.

The same code builds the whole history, today, and a day of last year. A run of neighbouring periods
is one Delta transaction; the ledger is written after it. Built twice, or killed and built again,
the tables are the same to the row.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pyspark.sql import Observation
from pyspark.sql import functions as F

from bcrlsp.features import MEMORY, FeatureSet
from bcrlsp.tables import Lake
from bcrlsp.trajectories.completeness import Completeness, find_completeness, waiting
from bcrlsp.trajectories.digests import scan
from bcrlsp.trajectories.grid import forget_grid, remember_grid
from bcrlsp.trajectories.late import quarantine_late
from bcrlsp.trajectories.ledger import Ledger
from bcrlsp.trajectories.panel import Span
from bcrlsp.trajectories.rows import TRAJECTORY_SCHEMA, trajectory_rows
from bcrlsp.trajectories.settings import Settings
from bcrlsp.trajectories.sources import Sources
from bcrlsp.trajectories.states import Snapshots
from bcrlsp.trajectories.unattributed import Unattributed, find_unattributed
from bcrlsp.trajectories.windows import condition, dates, runs


@dataclass(frozen=True)
class BuildReport:
    """What a build did.

    window: periods asked for. built, skipped: periods written now, and found right as they were.
    pending: periods whose reward or cost is not known yet: they have no rows. waiting: the same, by
    the feeds that they wait for. complete: how far every feed is whole.
    unattributed: redemptions of the window that are in no row's cost.
    rows: rows written. conflicts: bonuses beyond a user's first in a period (the highest level
    counts). duplicates: events that were there more than once (one counts). late: events that came
    later than settings.lateness allows, now in quarantine.
    snapshot: period at whose start the carried states are held, or None.
    versions: version of each table that was read, and of trajectories.
    """

    window: range
    built: list[int]
    skipped: list[int]
    pending: list[int]
    rows: int
    conflicts: int
    duplicates: int
    late: int
    snapshot: int | None
    waiting: Mapping[str, list[int]]
    complete: Completeness
    unattributed: Unattributed
    versions: Mapping[str, int] = field(default_factory=dict)


def build(
    lake: Lake,
    settings: Settings,
    feature_set: FeatureSet,
    window: range,
    *,
    known_at: datetime | None = None,
    force: bool = False,
    new_grid: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> BuildReport:
    """Builds the trajectories of the periods in `window`, and the states at its end.

    window: numbers of neighbouring periods in feature_set.calendar. known_at: rows that were
    ingested later are left out (the past as it was known then); None: as it is known now.
    force: periods that are right are built again. new_grid: the feature set's grid replaces that of
    the tables, which are cleared once nothing stands against the build.
    Raises DataError when an event table is missing, ConflictError when another run wrote the same
    periods at once, UserError when the lake's tables are keyed by another grid.
    """
    sources = Sources.pin(lake, feature_set.calendar, settings, known_at)
    if new_grid:
        forget_grid(lake)
    remember_grid(lake, feature_set.calendar)
    late = quarantine_late(sources, window.start - MEMORY, window.stop + settings.reach)
    digests = scan(sources, feature_set, window.start, window.stop)
    ledger = Ledger(sources, feature_set.hash)
    found = find_completeness(sources, window.start - MEMORY)
    waits = waiting(found, window)
    unfinished = {period for periods in waits.values() for period in periods}
    pending = sorted(unfinished)
    complete = {period: digests.of_rows(period) for period in window if period not in unfinished}
    review = ledger.review("trajectories", complete)
    for other, number in sorted(review.other_sets.items()):
        progress(
            f"{number} periods are rebuilt: the feature set changed from {other} to "
            f"{feature_set.hash} (other features, or other amounts)"
        )
    wanted = sorted(set(complete) - (set() if force else review.right))
    ledger.amend("trajectories", {p: complete[p] for p in complete.keys() - set(wanted)})
    snapshots = Snapshots(sources, feature_set, digests)
    counts = _Counts()
    for run in runs(wanted, settings.periods_a_write):
        progress(_describe(sources, run))
        inputs = {period: complete[period] for period in run}
        written = _write(sources, feature_set, snapshots, inputs, run)
        # Users only ever join: from the first period with rows on, all have some.
        empty = range(run.start, run.stop if written.first is None else written.first)
        ledger.write("trajectories", inputs, empty)
        counts += written
    _clear(sources, ledger, pending)
    snapshot = _snapshot_period(found, window)
    if snapshot is not None:
        snapshots.save(snapshot, base=window.start)
    return BuildReport(
        window=window,
        built=wanted,
        skipped=sorted(set(complete) - set(wanted)),
        pending=pending,
        rows=counts.rows,
        conflicts=counts.conflicts,
        duplicates=counts.duplicates,
        late=late,
        snapshot=snapshot,
        waiting=waits,
        complete=found,
        unattributed=find_unattributed(sources, window),
        versions={**sources.versions, "trajectories": lake.version("trajectories")},
    )


@dataclass(frozen=True)
class _Counts:
    rows: int = 0
    conflicts: int = 0
    duplicates: int = 0
    first: int | None = None
    """The first period that has rows."""

    def __add__(self, other: "_Counts") -> "_Counts":
        return _Counts(
            self.rows + other.rows,
            self.conflicts + other.conflicts,
            self.duplicates + other.duplicates,
        )


def _write(
    sources: Sources,
    feature_set: FeatureSet,
    snapshots: Snapshots,
    inputs: Mapping[int, str],
    run: range,
) -> _Counts:
    """Writes the rows of neighbouring periods, in one transaction.

    The fold begins at the carried states where there are right ones, else `MEMORY` periods before.
    """
    snapshot = snapshots.read(run.start)
    start = run.start - MEMORY if snapshot is None else run.start
    stream = sources.stream(start, run.start, run.stop, run.stop - 1, snapshot)
    span = Span(start, run.start, run.stop)
    function = trajectory_rows(
        span, feature_set, sources.settings, [inputs[period] for period in run]
    )
    # Counted on the way: a second pass would cost as much as the first.
    seen = Observation()
    rows = stream.mapInArrow(function, TRAJECTORY_SCHEMA).observe(
        seen,
        F.count("*").alias("rows"),
        F.min(sources.calendar.index_of(F.col("period_start"))).alias("first"),
        F.sum("conflicts").alias("conflicts"),
        F.sum("duplicates").alias("duplicates"),
    )
    where = condition(sources.calendar, run.start, run.stop)
    sources.lake.replace("trajectories", rows, where)
    # On a large cluster every task leaves a file in every period.
    most = sources.settings.files_a_period * len(run)
    sources.lake.compact("trajectories", dates(sources.calendar, run.start, run.stop), most)
    counted = seen.get
    return _Counts(
        counted["rows"], counted["conflicts"] or 0, counted["duplicates"] or 0, counted["first"]
    )


def _clear(sources: Sources, ledger: Ledger, pending: Sequence[int]) -> None:
    """Takes the rows of periods that were complete once and are no longer (withdrawn events)."""
    if not pending:
        return
    lake, calendar = sources.lake, sources.calendar
    held = ledger.held("trajectories", min(pending), max(pending) + 1)
    for run in runs(held.keys() & set(pending), sources.settings.periods_a_write):
        nothing = lake.read("trajectories").where(F.lit(False))
        lake.replace("trajectories", nothing, condition(calendar, run.start, run.stop))


def _snapshot_period(found: Completeness, window: range) -> int | None:
    """The window's end, or the last period before it whose past is over."""
    if found.past is None or found.past < window.start:
        return None
    return min(window.stop, found.past)


def _describe(sources: Sources, run: range) -> str:
    first, stop = (f"{sources.calendar.start(p):%Y-%m-%dT%H:%M}" for p in (run.start, run.stop))
    return f"trajectories from {first} to {stop} ({len(run)} periods)"
