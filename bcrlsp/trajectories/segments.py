"""A user's segment as of each decision: what was known strictly before the period began.

The table `attributes_segment` says from when on which segment was known. A user's rows of it travel
with the user as one text; where rows are made, each takes the segment of its own period. A user
without such rows has the segment that the table `users` says, in all periods.
"""

from datetime import datetime
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from bcrlsp.periods import Calendar
from bcrlsp.tables import Lake

HISTORY: Final = "attributes_segment"
UNKNOWN: Final = "unknown"
"""The segment of a user of whom none was known before a period."""

# Between the entries of a history in one text, and between an entry's period and segment.
_ENTRIES, _PARTS = "\x1e", "\x1f"
_EVER = -(2**37)
_SHIFT, _USER = 2**38, 2**40


def pinned(lake: Lake) -> dict[str, int]:
    """The newest version of the history, by its name; nothing where the lake has none."""
    return {HISTORY: lake.version(HISTORY)} if lake.exists(HISTORY) else {}


def known_segments(lake: Lake) -> set[str]:
    """Every segment that some user has or had, and `UNKNOWN`."""
    tables = [name for name in ("users", HISTORY) if lake.exists(name)]
    rows = [
        row for name in tables for row in lake.read(name).select("segment").distinct().collect()
    ]
    return {row["segment"] for row in rows if row["segment"] is not None} | {UNKNOWN}


def spans(lake: Lake, calendar: Calendar, version: int, known_at: datetime | None) -> DataFrame:
    """Segments and the first period that sees each: user_id, from_period bigint, segment.

    version: of the history. known_at: rows that were ingested later are left out; None: all. A
    user has one row a period: the one that was known last.
    """
    rows = lake.read(HISTORY, version)
    if known_at is not None:
        rows = rows.where(F.col("ingest_ts") <= F.lit(known_at))
    first = calendar.index_of(F.col("known_ts")) + 1
    return (
        rows.withColumn("from_period", first)
        .groupBy("user_id", "from_period")
        .agg(F.max_by("segment", "known_ts").alias("segment"))
    )


def packed(users: DataFrame, told: DataFrame) -> DataFrame:
    """`users` with all that was told of a user's segment, as `at` reads it, in `segment`."""
    entries = F.array_sort(F.collect_list(F.struct("from_period", "segment")))
    texts = F.transform(
        entries,
        lambda each: F.concat(each["from_period"].cast("string"), F.lit(_PARTS), each["segment"]),
    )
    histories = told.groupBy("user_id").agg(F.array_join(texts, _ENTRIES).alias("_packed"))
    return (
        users.join(histories, "user_id", "left")
        .withColumn("segment", F.coalesce("_packed", "segment"))
        .drop("_packed")
    )


def as_of(users: DataFrame, told: DataFrame, period: int) -> DataFrame:
    """`users` with the segment that each had at the start of `period`."""
    seen = F.when(F.col("from_period") <= period, F.col("from_period"))
    known = told.groupBy("user_id").agg(
        F.lit(True).alias("_told"),
        F.max_by("segment", seen).alias("_segment"),
        F.max(seen).alias("_from"),
    )
    dated = F.when(F.col("_from").isNull(), F.lit(UNKNOWN)).otherwise(F.col("_segment"))
    return (
        users.join(known, "user_id", "left")
        .withColumn("segment", F.when(F.col("_told"), dated).otherwise(F.col("segment")))
        .drop("_told", "_segment", "_from")
    )


def at(segments: pa.Array, users: NDArray[Any], periods: NDArray[Any]) -> pa.Array:
    """The segments of `users` in `periods`: arrays (m,) of places in `segments` and of periods.

    segments: one text a user, as `packed` makes it.
    """
    encoded = segments.dictionary_encode()
    keys: list[int] = []
    names: list[str] = []
    for code, text in enumerate(encoded.dictionary.to_pylist()):
        for first, name in _entries(text):
            keys.append(code * _USER + _SHIFT + first)
            names.append(name)
    codes = np.asarray(encoded.indices, dtype=np.int64)[users]
    sought = codes * _USER + _SHIFT + np.asarray(periods, dtype=np.int64)
    ordered = np.array(keys, dtype=np.int64)
    places = np.searchsorted(ordered, sought, side="right") - 1
    there = (places >= 0) & (ordered[np.maximum(places, 0)] // _USER == codes)
    places = np.where(there, places, len(names))
    return pa.array([*names, UNKNOWN], pa.string()).take(pa.array(places))


def _entries(text: str) -> list[tuple[int, str]]:
    if _PARTS not in text:
        return [(_EVER, text)]
    pairs = (entry.split(_PARTS) for entry in text.split(_ENTRIES))
    return [(int(first), name) for first, name in pairs]


def untold(users: DataFrame, told: DataFrame) -> DataFrame:
    """`users` with a segment only where nothing was told of it: what holds in all periods."""
    known = told.select("user_id").distinct().withColumn("_told", F.lit(True))
    return (
        users.join(known, "user_id", "left")
        .withColumn("segment", F.when(F.col("_told").isNull(), F.col("segment")))
        .drop("_told")
    )


def sums(users: DataFrame, told: DataFrame, calendar: Calendar, begin: int) -> DataFrame:
    """Changes of segments by the period that sees them first, as `digests` sums them.

    What is summed up to a period is what users who had signed up before it have in it, however
    that came about: a row that is superseded before anybody sees it changes nothing. begin: earlier
    periods count as this one.
    """
    entry = calendar.index_of(F.col("signup_ts")) + 1
    seen = (
        told.join(users.select("user_id", entry.alias("_entry")), "user_id")
        .withColumn("period_index", F.greatest("from_period", "_entry"))
        .groupBy("user_id", "period_index")
        .agg(F.max_by("segment", "from_period").alias("segment"))
    )
    order = Window.partitionBy("user_id").orderBy("period_index")
    hashed = F.xxhash64("user_id", "segment")
    before = F.coalesce(F.lag(hashed).over(order), F.lit(0).cast("bigint"))
    return (
        seen.withColumns({"_hash": hashed, "_before": before})
        .groupBy(F.greatest("period_index", F.lit(begin)).cast("bigint").alias("period_index"))
        .agg(
            F.lit(0).cast("bigint").alias("n"),
            F.bit_xor(F.col("_hash").bitwiseXOR(F.col("_before"))).alias("mixed"),
            F.sum(F.shiftright("_hash", 32) - F.shiftright("_before", 32)).alias("total"),
        )
        .select(F.lit("segments").alias("name"), "period_index", "n", "mixed", "total")
    )
