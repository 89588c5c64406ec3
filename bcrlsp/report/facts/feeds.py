"""How far each feed of events is whole, and where it has holes."""

from datetime import datetime
from functools import partial

from pyspark.sql import functions as F

from bcrlsp.deliveries import FEEDS, newest_marks
from bcrlsp.report.reading import NothingToShowError, Reading
from bcrlsp.trajectories import Settings
from bcrlsp.trajectories.completeness import Completeness, judged
from bcrlsp.trajectories.evidence import judge_feeds
from bcrlsp.trajectories.sources import INSTANTS


def feeds(reading: Reading) -> Completeness:
    """The feeds whose tables are there, over all of their history."""
    try:
        marks = newest_marks(reading.table("deliveries"))
    except NothingToShowError:
        marks = {}
    counts = {name: held for name in FEEDS if (held := _counts(reading, name)) is not None}
    found = {
        name: judged(
            name, reading.calendar, said, marks.get(name), partial(sum, counts[name].values())
        )
        for name, said in judge_feeds(counts).items()
    }
    return Completeness(reading.calendar, Settings(), found, {})


def told(reading: Reading, end: datetime | None) -> str:
    """An instant for people, local."""
    if end is None:
        return "unknown"
    return end.astimezone(reading.calendar.tz).strftime("%Y-%m-%d %H:%M").removesuffix(" 00:00")


def _counts(reading: Reading, name: str) -> dict[int, int] | None:
    try:
        rows = reading.table(name)
    except NothingToShowError:
        return None
    index = reading.calendar.index_of(F.col(INSTANTS[name]))
    return dict(rows.groupBy(index.alias("i")).agg(F.count("*")).collect())
