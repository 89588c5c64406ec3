"""How far each feed of events was delivered: marks in the table `deliveries`.

A mark says that everything of a feed that happened before `complete_until` is in its table. Who
loads the feed knows that and says it: `bcrlsp ingest SOURCE --complete-until INSTANT`, a source
that is whole, or the loader itself, as one more row of the table. Of a feed the newest mark counts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from bcrlsp.errors import UserError
from bcrlsp.tables import TABLES, Lake

FEEDS: Final = ("activity", "bonuses", "redemptions")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Mark:
    """A feed is complete until an instant, UTC (excluded), as was said at `marked_ts`.

    rows: number of rows of the feed that the mark speaks of; None: whatever there is.
    """

    complete_until: datetime
    marked_ts: datetime
    rows: int | None = None

    def holds(self, rows: int) -> bool:
        """Whether it still speaks of the feed, which has so many rows now."""
        return self.rows is None or self.rows == rows


def read_marks(lake: Lake, known_at: datetime | None = None) -> dict[str, Mark]:
    """The newest mark of each feed that has one that holds; see `all_marks`."""
    found = all_marks(lake, known_at)
    return {name: mark for name, mark in found.items() if mark.rows is None
            or mark.holds(lake.read(name).count())}  # fmt: skip


def all_marks(lake: Lake, known_at: datetime | None = None) -> dict[str, Mark]:
    """The newest mark of each feed that has one.

    known_at: marks made later are left out. What had not happened when a mark was made cannot have
    been delivered: such a mark reaches to the moment at which it was made.
    """
    if not lake.exists("deliveries"):
        return {}
    rows = lake.read("deliveries")
    if known_at is not None:
        rows = rows.where(F.col("marked_ts") <= F.lit(known_at))
    return newest_marks(rows)


def newest_marks(rows: DataFrame) -> dict[str, Mark]:
    """The newest mark of each feed, of rows of the table `deliveries`."""
    newest = rows.groupBy("feed").agg(
        F.max(F.struct("marked_ts", "complete_until", "rows")).alias("mark")
    )
    columns = ("marked_ts", "complete_until")
    instants = (F.unix_micros(f"mark.{name}").alias(name) for name in columns)
    found = {}
    for feed, marked, until, size in newest.select("feed", *instants, "mark.rows").collect():
        made = _instant(marked)
        found[feed] = Mark(min(_instant(until), made), made, size)
    return found


def check_marks(lake: Lake, marks: Mapping[str, datetime], *, back: bool = False) -> None:
    """UserError where a mark would take back what an earlier one said, unless `back`."""
    if back:
        return
    held = read_marks(lake)
    for feed, until in marks.items():
        if feed in held and until < held[feed].complete_until:
            raise UserError(
                f"--complete-until {feed}={until:%Y-%m-%dT%H:%M}Z is before the mark that {feed} "
                f"has, {held[feed].complete_until:%Y-%m-%dT%H:%M}Z; give a later instant, or "
                "--marks-back to take the earlier mark back"
            )


def write_marks(lake: Lake, marks: Mapping[str, datetime]) -> None:
    """Adds a mark for each feed (feed to instant); the same mark again changes nothing.

    A mark is made now, whatever it says: it reaches no further, and the next one is newer.
    """
    held = read_marks(lake)
    news = {f: u for f, u in marks.items() if f not in held or held[f].complete_until != u}
    now = datetime.now(UTC)
    _merge(lake, {feed: Mark(until, now) for feed, until in news.items()})


def clear_marks(lake: Lake) -> None:
    """Takes all marks away: what they spoke of is about to be replaced."""
    if lake.exists("deliveries"):
        lake.overwrite("deliveries", lake.read("deliveries").where(F.lit(False)))


def write_whole(lake: Lake, until: datetime) -> None:
    """Marks every feed of a source that gave all there is until an instant, at that instant.

    So the past, as it was known earlier, does not know the mark. It speaks of the rows that are
    there: a table that was changed since has no mark.
    """
    _merge(lake, {name: Mark(until, until, lake.read(name).count()) for name in FEEDS})


def _merge(lake: Lake, marks: Mapping[str, Mark]) -> None:
    if not marks:
        return
    rows = [(feed, mark.complete_until, mark.marked_ts, mark.rows) for feed, mark in marks.items()]
    lake.merge("deliveries", lake.spark.createDataFrame(rows, TABLES["deliveries"].schema))


def _instant(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)
