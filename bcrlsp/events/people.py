"""Users: one row a user, and a dated history of what was known of them.

The history `attributes_segment` is what is judged and kept; the table `users` follows from it. A
user without history is one that was made up from events: signed up at the first that was accepted.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from bcrlsp.events.shapes import HISTORY, INSTANTS, SHAPES
from bcrlsp.tables import Lake

MADE_UP = "all"
"""Segment of users that were made up from events."""


@dataclass(frozen=True)
class Told:
    """What was told of users before. held: the history's rows, pinned at `version`.

    untold: what the history lacks of users that an older version of this package wrote: what
    `users` says was known from its ingest_ts on. Both are None where all is to be replaced.
    """

    held: DataFrame | None
    untold: DataFrame | None
    version: int = 0

    @property
    def all(self) -> DataFrame:
        """Both."""
        if self.held is None or self.untold is None:
            raise ValueError("nothing is to be told of what is replaced")
        return self.held.unionByName(self.untold)


def known_history(lake: Lake, whole: bool = False) -> Told:
    """What was told of users before. whole: all of it is to be replaced."""
    if whole:
        return Told(None, None)
    columns = SHAPES["users"].columns
    lake.create(HISTORY)
    lake.create("users")
    version = lake.version(HISTORY)
    history = lake.read(HISTORY, version).select(*columns)
    users = lake.read("users", lake.version("users"))
    rest = untold(users, history).withColumn("known_ts", F.col("ingest_ts"))
    return Told(history, rest.select(*columns), version)


def untold(users: DataFrame, history: DataFrame) -> DataFrame:
    """Rows of `users` that were told of and that the history lacks: an older version's."""
    made_up = (F.col("segment") == MADE_UP) & (F.col("signup_ts") == F.col("ingest_ts"))
    return users.where(~made_up).join(history, "user_id", "left_anti")


def dated(rows: DataFrame, told: Told, now: datetime) -> DataFrame:
    """Users' rows each with the instant from which it was known.

    Where neither known_ts nor ingest_ts says it, a row was known from sign-up on; of a user who was
    told of before it says nothing new, or a new segment from `now` on.
    """
    since = F.col("signup_ts")
    if told.held is not None:
        newest = Window.partitionBy("user_id").orderBy(F.desc("known_ts"))
        last = told.all.withColumn("_place", F.row_number().over(newest)).where("_place = 1")
        rows = rows.join(
            last.select(
                "user_id", F.col("segment").alias("_segment"), F.col("known_ts").alias("_known")
            ),
            "user_id",
            "left",
        )
        since = (
            F.when(F.col("_known").isNull(), since)
            .when(F.col("segment") == F.col("_segment"), F.col("_known"))
            .otherwise(F.lit(now))
        )
    rows = rows.withColumn("known_ts", F.coalesce("known_ts", "ingest_ts", since))
    rows = rows.withColumn("ingest_ts", F.coalesce("ingest_ts", "known_ts"))
    return rows.drop("_segment", "_known")


def now() -> datetime:
    """The present moment: what is not dated was known from it on."""
    return datetime.now(UTC)


def from_history(history: DataFrame) -> DataFrame:
    """The rows of `users` that a history means: the newest segment, the one sign-up."""
    return history.groupBy("user_id").agg(
        F.min_by("signup_ts", "known_ts").alias("signup_ts"),
        F.max_by("segment", "known_ts").alias("segment"),
        F.min("ingest_ts").alias("ingest_ts"),
    )


def from_events(*tables: tuple[str, DataFrame]) -> DataFrame:
    """Users of accepted events, signed up at their first. tables: name, rows."""
    seen = None
    for name, rows in tables:
        part = rows.select("user_id", F.col(INSTANTS[name]).alias("signup_ts"))
        seen = part if seen is None else seen.unionByName(part)
    if seen is None:
        raise ValueError("no tables")
    return (
        seen.groupBy("user_id")
        .agg(F.min("signup_ts").alias("signup_ts"))
        .select(
            "user_id",
            "signup_ts",
            F.lit(MADE_UP).alias("segment"),
            F.col("signup_ts").alias("ingest_ts"),
        )
    )


def no_later(users: DataFrame, held: DataFrame) -> DataFrame:
    """Made up users, signed up no later than the table `held` says."""
    first = held.select("user_id", F.col("signup_ts").alias("_first"))
    earlier = F.least("signup_ts", F.coalesce("_first", "signup_ts"))
    return (
        users.join(first, "user_id", "left")
        .withColumns({"signup_ts": earlier, "ingest_ts": earlier})
        .drop("_first")
    )
