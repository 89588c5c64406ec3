"""The events as one stream of rows a user, for one shuffle.

Activity, bonuses, redemptions, users and carried states are brought to one narrow shape and told
apart by a tag. `user_hash` brings a user's rows together: a bigint sorts faster than a text.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from typing import Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from bcrlsp.periods import Calendar
from bcrlsp.tables import EVENT_TABLES, Lake
from bcrlsp.trajectories import kinds, segments
from bcrlsp.trajectories.settings import Settings

ACTIVITY: Final = 0
BONUS: Final = 1
REDEMPTION: Final = 2
USER: Final = 3
CARRY: Final = 4

INSTANTS: Mapping[str, str] = {
    "activity": "event_ts",
    "bonuses": "sent_ts",
    "redemptions": "redeemed_ts",
    "users": "signup_ts",
}
"""The column of each event table that says when it happened."""

HAPPENINGS: Final = ("activity", "bonuses", "redemptions")
"""The tables of what happens in periods. Users are no happening: a user is never too late."""

_COLUMNS: Mapping[str, str] = {
    "tag": "tinyint",
    "user_id": "string",
    "period": "int",
    "key": "bigint",
    "level": "int",
    "value": "double",
    "segment": "string",
    "carry": "binary",
}


def event_versions(lake: Lake) -> dict[str, int]:
    """The newest version of every table that trajectories and states are made of, by its name."""
    return {name: lake.version(name) for name in EVENT_TABLES} | segments.pinned(lake)


@dataclass(frozen=True)
class Sources:
    """The events that a build reads: pinned versions, and what was known of them.

    versions: version of each event table. known_at: rows ingested later are left out; None: all.
    """

    lake: Lake
    calendar: Calendar
    settings: Settings
    versions: Mapping[str, int]
    known_at: datetime | None = None

    @staticmethod
    def pin(
        lake: Lake,
        calendar: Calendar,
        settings: Settings,
        known_at: datetime | None = None,
        versions: Mapping[str, int] | None = None,
    ) -> "Sources":
        """Every event table at its version, the newest unless given.

        DataError when one is missing; ConfigError when settings.activity_kinds has a kind that no
        activity has.
        """
        if versions is None:
            versions = event_versions(lake)
        sources = Sources(lake, calendar, settings, versions, known_at)
        kinds.require_kinds(sources._known("activity"), settings.activity_kinds)
        return sources

    def size(self, name: str) -> int:
        """Number of rows of an event table."""
        return self.lake.read(name, self.versions[name]).count()

    def users(self, until: int) -> DataFrame:
        """Users that had signed up before period `until` began, as they were known."""
        limit = F.lit(self.calendar.start(until))
        return self._known_users().where(F.col(INSTANTS["users"]) < limit)

    def segments(self) -> DataFrame | None:
        """Segments and the first period that sees each, see `segments.spans`; None: not dated."""
        version = self.versions.get(segments.HISTORY)
        if version is None:
            return None
        return segments.spans(self.lake, self.calendar, version, self.known_at)

    def between(self, name: str, first: int | None, stop: int | None) -> DataFrame:
        """What happened in periods [first, stop), came in time and was known; None: no such end.

        The columns of table `name`, and period_index bigint.
        """
        rows = self._between(name, first, stop)
        return rows if self.settings.lateness is None else rows.where(~self._late())

    def late(self, name: str, first: int, stop: int) -> DataFrame:
        """What happened in periods [first, stop) and came too late; columns of the table."""
        rows = self._between(name, first, stop)
        nothing = self.settings.lateness is None
        return rows.where(F.lit(False) if nothing else self._late()).drop("period_index")

    def stream(
        self, start: int, first: int, stop: int, users_until: int, snapshot: DataFrame | None
    ) -> DataFrame:
        """All that is needed of periods [start, stop), each user's rows together.

        start: where the fold begins; first: where its rows begin. users_until: users known at the
        start of this period. snapshot: rows of `states` at `start`. Columns: user_hash, then those
        of `_COLUMNS`; partitions hold whole users, sorted by user_hash.
        """
        parts = [
            self._activity(start, stop + self.settings.label_reach),
            _shaped(
                self.between("bonuses", start, stop),
                BONUS,
                period="period_index",
                key="xxhash64(bonus_id)",
                level="level",
                value="propensity",
            ),
            self._users(users_until),
        ]
        if first < stop:
            redemptions = self.between("redemptions", first, stop + self.settings.attribution)
            parts.append(
                _shaped(
                    redemptions,
                    REDEMPTION,
                    period="period_index",
                    key="xxhash64(bonus_id)",
                    value="amount",
                )
            )
        if snapshot is not None:
            parts.append(_shaped(snapshot, CARRY, carry="carry"))
        together = reduce(DataFrame.unionByName, parts)
        keyed = together.withColumn("user_hash", F.expr("xxhash64(user_id)"))
        return (
            keyed.select("user_hash", *_COLUMNS)
            .repartition("user_hash")
            .sortWithinPartitions("user_hash")
        )

    def _activity(self, first: int, stop: int) -> DataFrame:
        rows = self.between("activity", first, stop)
        if self.settings.activity_kinds is not None:
            rows = rows.where(kinds.counts(F.col("kind"), self.settings.activity_kinds))
        value = "amount" if self.settings.reward.kind == "amount" else "CAST(NULL AS DOUBLE)"
        return _shaped(
            rows, ACTIVITY, period="period_index", key="xxhash64(event_ts, kind)", value=value
        )

    def _users(self, until: int) -> DataFrame:
        """Users, with the period of sign-up, and as key the first period that starts after it.

        Who signs up at a period's very start has the first row in the next one: what made it known
        may be the very activity that the row would count as a return.
        """
        index = self.calendar.index_of(F.col(INSTANTS["users"]))
        rows = self.users(until)
        told = self.segments()
        if told is not None:
            rows = segments.packed(rows, told)
        rows = rows.withColumn("period_index", index)
        rows = rows.withColumn("entry", F.col("period_index") + 1)
        return _shaped(rows, USER, period="period_index", key="entry", segment="segment")

    def _between(self, name: str, first: int | None, stop: int | None) -> DataFrame:
        instant = F.col(INSTANTS[name])
        rows = self._known(name)
        if first is not None:
            rows = rows.where(instant >= F.lit(self.calendar.start(first)))
        if stop is not None:
            rows = rows.where(instant < F.lit(self.calendar.start(stop)))
        return rows.withColumn("period_index", self.calendar.index_of(instant))

    def _known_users(self) -> DataFrame:
        """Users by what had arrived: one that its first event made is known by arrived events.

        Such a row of `users` has the instant of an event as its sign-up, no history of its own, and
        says nothing of when that event arrived. Where it came later than `known_at`, the user had
        signed up at the first event that had arrived, or was not known.
        """
        users = self.lake.read("users", self.versions["users"])
        if self.known_at is None:
            return users
        known = F.lit(self.known_at)
        happened = [
            self.lake.read(name, self.versions[name]).select(
                "user_id",
                F.col(INSTANTS[name]).alias("_at"),
                F.col("ingest_ts").alias("_came"),
            )
            for name in ("activity", "bonuses")
        ]
        made = (F.col("_at") == F.col("signup_ts")) & (
            (F.col("ingest_ts") == F.col("signup_ts")) | (F.col("ingest_ts") == F.col("_came"))
        )
        untold = users.select("user_id", "signup_ts", "ingest_ts")
        version = self.versions.get(segments.HISTORY)
        if version is not None:
            told = self.lake.read(segments.HISTORY, version).select("user_id")
            untold = untold.join(told, "user_id", "left_anti")
        of_user = (
            untold.join(reduce(DataFrame.unionByName, happened), "user_id")
            .groupBy("user_id")
            .agg(
                F.min(F.when(made, F.col("_came"))).alias("_made"),
                F.min(F.when(F.col("_came") <= known, F.col("_at"))).alias("_seen"),
            )
        )
        hidden = F.col("_made") > known
        signup = F.when(hidden, F.col("_seen")).otherwise(F.col("signup_ts"))
        came = F.when(F.col("_made").isNotNull(), F.lit(True)).otherwise(
            F.col("ingest_ts") <= known
        )
        return (
            users.join(of_user, "user_id", "left")
            .where(came)
            .withColumn("signup_ts", signup)
            .where(F.col("signup_ts").isNotNull())
            .drop("_made", "_seen")
        )

    def _known(self, name: str) -> DataFrame:
        rows = self.lake.read(name, self.versions[name])
        if self.known_at is None:
            return rows
        return rows.where(F.col("ingest_ts") <= F.lit(self.known_at))

    def _late(self) -> Column:
        came = self.calendar.index_of(F.col("ingest_ts"))
        return came - F.col("period_index") > F.lit(self.settings.lateness)


def _shaped(rows: DataFrame, tag: int, **columns: str) -> DataFrame:
    """`rows` in the common shape; `columns` are SQL expressions, and what they lack is null."""
    columns = {"user_id": "user_id", "tag": str(tag)} | columns
    return rows.select(
        *(
            F.expr(columns.get(name, "NULL")).cast(kind).alias(name)
            for name, kind in _COLUMNS.items()
        )
    )
