"""Events that came later than allowed: to quarantine, with their reason, and counted."""

from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from bcrlsp.trajectories.sources import HAPPENINGS, INSTANTS, Sources

REASON = "late"


def quarantine_late(sources: Sources, first: int, stop: int) -> int:
    """Puts the events of periods [first, stop) that came too late into `quarantine`.

    Returns their number. The same row is there once, however often it is found. The event tables
    keep it: they are the record of what came.
    """
    if sources.settings.lateness is None:
        return 0
    together = reduce(
        DataFrame.unionByName,
        (_quarantined(sources, name, first, stop) for name in HAPPENINGS),
    )
    number = together.count()
    if number:
        rows = together.dropDuplicates(["source", "reason", "record"])
        sources.lake.merge("quarantine", rows, update=False)
    return number


def _quarantined(sources: Sources, name: str, first: int, stop: int) -> DataFrame:
    rows = sources.late(name, first, stop)
    calendar = sources.calendar
    period = calendar.date_of(calendar.index_of(F.col(INSTANTS[name])))
    return rows.select(
        F.lit(name).alias("source"),
        period.alias("period"),
        F.lit(REASON).alias("reason"),
        F.to_json(F.struct(*rows.columns)).alias("record"),
        # When it was found out is when it came: the same on every run.
        F.col("ingest_ts").alias("detected_ts"),
    )
