"""Events into the tables: checked, each once, what is wrong in quarantine, everything counted.

Everything is read and judged by itself before any table changes. Then users, activity, bonuses and
redemptions follow one another, each judged by those before it. The tables depend on the rows that
ever came, not on their order, nor on how they were split: see `settle` and `loading`.
"""

from dataclasses import dataclass, replace

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from bcrlsp.deliveries import clear_marks, write_whole
from bcrlsp.errors import DataError
from bcrlsp.events.ids import refuse_changed
from bcrlsp.events.keeping import keeping
from bcrlsp.events.loading import Load, TableCount
from bcrlsp.events.reading import told_as_data_error
from bcrlsp.events.shapes import HISTORY, RECORD, VERDICT
from bcrlsp.events.source import Events, Grid
from bcrlsp.events.validate import Tally, alike, judge, require_columns, tallies
from bcrlsp.tables import EVENT_TABLES, Lake


@dataclass(frozen=True)
class IngestReport:
    """What an ingestion did: counts by table, the source's own figures, and its notes.

    alike: rows of activity at a day's start that only another of their user, instant and kind
    stands for; 0 where nobody asked.
    """

    tables: dict[str, TableCount]
    detail: dict[str, float]
    notes: tuple[str, ...] = ()
    alike: int = 0

    @property
    def quarantined(self) -> int:
        """Rows in quarantine, all tables."""
        return sum(sum(count.quarantined.values()) for count in self.tables.values())


def ingest(
    lake: Lake,
    source: str,
    events: Events,
    grid: Grid,
    *,
    leading_zeros: str = "refuse",
    letter_case: str = "refuse",
    count_alike: bool = False,
) -> IngestReport:
    """Writes a source's events into the lake's tables.

    source: its name, which the quarantine records. leading_zeros, letter_case: "refuse" or "keep"
    ids of users or bonuses that differ in these alone. count_alike: whether to count rows of
    activity without a time of day that are one with another. DataError, before anything is written
    to a table, when the events lack a column, cannot be read, or have such ids. ConflictError when
    other runs do not stop to write beside this one.
    """
    if events.no_face_values:
        grid = replace(grid, redemption_above_face=None)
    same = 0
    frames = {name: events.table(name) for name in EVENT_TABLES}
    given = {name: frame for name, frame in frames.items() if frame is not None}
    for name, frame in given.items():
        require_columns(name, frame)
    if events.checked:
        _clear_marks(lake, events)
        counts = _checked(lake, given)
    else:
        with keeping() as keeper:
            judged = {
                name: keeper.keep(_slim(judge(name, rows, grid))) for name, rows in given.items()
            }
            counted = _counted(judged)
            kept = {"leading_zeros": leading_zeros, "letter_case": letter_case}
            refuse_changed(lake, judged, events.whole, kept)
            if count_alike and "activity" in judged:
                same = alike(judged["activity"], grid.calendar)
            _clear_marks(lake, events)
            counts = Load(lake, source, grid, events.whole, judged, counted, keeper).tables()
    for name, rows in events.extra.items():
        lake.overwrite(name, rows)
    lake.create("quarantine")
    if events.complete_until is not None:
        write_whole(lake, events.complete_until)
    return IngestReport(counts, events.detail, events.notes, same)


def _counted(judged: dict[str, DataFrame]) -> dict[str, Tally]:
    """Counts by table; DataError with the table's name where its events cannot be read."""
    try:
        with told_as_data_error("the events cannot be read"):
            return tallies(judged)
    except DataError:
        for name, rows in judged.items():
            with told_as_data_error(f"the events for table {name} cannot be read"):
                tallies({name: rows})
        raise


def _slim(judged: DataFrame) -> DataFrame:
    """Judged rows without the records of good ones, which nobody reads."""
    return judged.withColumn(RECORD, F.when(F.col(VERDICT).isNotNull(), F.col(RECORD)))


def _clear_marks(lake: Lake, events: Events) -> None:
    if events.complete_until is not None and events.whole:
        clear_marks(lake)


def _checked(lake: Lake, frames: dict[str, DataFrame]) -> dict[str, TableCount]:
    """Rows that are known to be right, in place of all that the tables hold."""
    counts = {}
    for name, rows in frames.items():
        lake.overwrite(name, rows)
        written = lake.read(name).count()
        counts[name] = TableCount(read=written, written=written)
    for name, where in ((HISTORY, "true"), ("quarantine", _OF_SOURCES)):
        if lake.exists(name):
            lake.replace(name, lake.read(name).where(F.lit(False)), where)
    return counts


_OF_SOURCES = " OR ".join(f"source LIKE '%.{name}'" for name in EVENT_TABLES)
