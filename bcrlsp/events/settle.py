"""Rows that other rows decide about: one of each key, of users and bonuses that are there.

The outcome is a function of the set of rows that ever came, not of their order: rows in quarantine
whose reason lies in other rows come up again with every ingestion, the row of a key that was
ingested first (then the least content) wins, and what the table held can lose.
"""

from dataclasses import dataclass
from functools import reduce

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from bcrlsp.events.shapes import GOOD, RECORD, VERDICT, Shape
from bcrlsp.events.validate import record_of
from bcrlsp.events.values import room
from bcrlsp.periods import Calendar
from bcrlsp.tables import fingerprint

NEW, PENDING, HELD = "_new", "_pending", "_held"
SOURCE = "_source"
SEEN = "_seen_ts"
KEY_HELD = "_key_held"
KEY_GOOD = "_key_good"
ROW_HELD = "_row_held"

UNKNOWN_USER = "user_id is unknown"
OTHER_SIGN_UP = "signup_ts contradicts an earlier row of the user"
_UNKNOWN_BONUS = "bonus_id is unknown"
_OTHER_USER = "bonus was sent to another user"
_NOTHING_SENT = "bonus of level 0 has nothing to redeem"
_TOO_EARLY = "redeemed before the bonus was sent"
_CENTS = "amount is 100 times its bonus's face value: cents?"
_ABOVE_FACE = "amount is above its bonus's face value"


def used(shape: Shape) -> str:
    """The reason of a row whose key another row has."""
    return f"{' and '.join(shape.keys)} already used by another event"


def reasons(shape: Shape) -> list[str]:
    """Reasons that lie in other rows: such rows are judged again with every ingestion."""
    by_table = {
        "users": [OTHER_SIGN_UP],
        "redemptions": [
            _UNKNOWN_BONUS,
            _OTHER_USER,
            _NOTHING_SENT,
            _TOO_EARLY,
            _CENTS,
            _ABOVE_FACE,
        ],
    }
    old = "user_id already used by another event"  # what a user's second row was called once
    return [used(shape), old, *by_table.get(shape.name, [UNKNOWN_USER])]


def candidates(
    shape: Shape,
    new: DataFrame,
    pending: DataFrame | None = None,
    held: DataFrame | None = None,
    untold: DataFrame | None = None,
) -> DataFrame:
    """Rows with what is known of them, each content once, from when it was first ingested.

    new, pending, held: rows of the table's types; `pending` has `_source`, too. untold: rows that
    are to be in the table and came earlier. Returns the
    shape's columns; `_new` bigint (how many came now); `_pending`, `_held` (whether the quarantine
    and the table have it), `_seen_ts` (ingest_ts in the table) and `_source`.
    """
    parts = [_marked(shape, new, n=1)]
    if pending is not None:
        parts.append(_marked(shape, pending, pending=True, source=F.col(SOURCE)))
    if held is not None:
        parts.append(_marked(shape, held, held=True))
    if untold is not None:
        parts.append(_marked(shape, untold))
    together = reduce(DataFrame.unionByName, parts)
    return (
        together.groupBy(*shape.content)
        .agg(
            F.min("ingest_ts").alias("ingest_ts"),
            F.sum(NEW).alias(NEW),
            F.max(PENDING).alias(PENDING),
            F.max(HELD).alias(HELD),
            F.min(F.when(F.col(HELD), F.col("ingest_ts"))).alias(SEEN),
            F.min(SOURCE).alias(SOURCE),
        )
        .select(*shape.columns, NEW, PENDING, HELD, SEEN, SOURCE)
    )


def _marked(
    shape: Shape,
    rows: DataFrame,
    n: int = 0,
    pending: bool = False,
    held: bool = False,
    source: Column | None = None,
) -> DataFrame:
    none = F.lit(None).cast("string")
    return rows.select(
        *shape.columns,
        F.lit(n).cast("bigint").alias(NEW),
        F.lit(pending).alias(PENDING),
        F.lit(held).alias(HELD),
        (none if source is None else source).alias(SOURCE),
    )


def of_users(rows: DataFrame, users: DataFrame) -> DataFrame:
    """Candidates with the reason `_verdict` where their user is not there."""
    there = users.select("user_id", F.lit(True).alias("_there"))
    unknown = F.when(F.col("_there").isNull(), F.lit(UNKNOWN_USER))
    return rows.join(there, "user_id", "left").withColumn(VERDICT, unknown).drop("_there")


def of_anybody(rows: DataFrame) -> DataFrame:
    """Candidates that no other table decides about."""
    return rows.withColumn(VERDICT, F.lit(None).cast("string"))


def of_bonuses(rows: DataFrame, bonuses: DataFrame, above_face: float | None) -> DataFrame:
    """Redemptions with the reason `_verdict` where their bonus cannot have been redeemed so."""
    sent = bonuses.select(
        F.col("bonus_id"),
        F.col("user_id").alias("_user"),
        F.col("sent_ts").alias("_sent"),
        F.col("level").alias("_level"),
        F.col("amount").alias("_face"),
    )
    amount, face = F.col("amount"), F.col("_face")
    broken = [
        (F.col("_user").isNull(), _UNKNOWN_BONUS),
        (F.col("_user") != F.col("user_id"), _OTHER_USER),
        (F.col("_level") == 0, _NOTHING_SENT),
        (F.col("redeemed_ts") < F.col("_sent"), _TOO_EARLY),
    ]
    if above_face is not None:
        most = face * (1 + above_face)
        above = amount > most + room(most)
        cents = (F.abs(amount - 100 * face) <= room(100 * face)) & (face > 0)
        broken += [(above & cents, _CENTS), (above, _ABOVE_FACE)]
    verdict = F.coalesce(*(F.when(condition, F.lit(reason)) for condition, reason in broken))
    return (
        rows.join(sent, "bonus_id", "left")
        .withColumn(VERDICT, verdict)
        .drop("_user", "_sent", "_level", "_face")
    )


def of_one_sign_up(rows: DataFrame) -> DataFrame:
    """Users' dated rows with a reason where they contradict the user's first row."""
    first = Window.partitionBy("user_id").orderBy("known_ts", "ingest_ts", "signup_ts", "segment")
    other = F.col("signup_ts") != F.first("signup_ts").over(first)
    return rows.withColumn(VERDICT, F.when(other, F.lit(OTHER_SIGN_UP)))


def settled(shape: Shape, rows: DataFrame) -> DataFrame:
    """Candidates with their final verdict: good, or the reason.

    rows: candidates whose `_verdict` is null where nothing speaks against them but their key.
    Adds `_key_held` and `_key_good`: whether the table has a row of the key, and is to have one;
    and `_row_held`: the fingerprint of the row that it has.
    """
    there = F.expr(fingerprint(shape.table, other={"ingest_ts": SEEN}))
    key = Window.partitionBy(*shape.keys)
    free = F.col(VERDICT).isNull()
    order = key.orderBy(~free, "ingest_ts", *(c for c in shape.content if c not in shape.keys))
    verdict = (
        F.when(~free, F.col(VERDICT))
        .when(F.col("_rank") == 1, F.lit(GOOD))
        .otherwise(F.lit(used(shape)))
    )
    return (
        rows.withColumns(
            {
                "_rank": F.row_number().over(order),
                KEY_HELD: F.max(HELD).over(key),
                KEY_GOOD: F.max(free).over(key),
                ROW_HELD: F.max(F.when(F.col(HELD), there)).over(key),
            }
        )
        .withColumn(VERDICT, verdict)
        .drop("_rank")
    )


@dataclass(frozen=True)
class Settlement:
    """What the settled rows of a table come to.

    written: rows that came now and are in the table now. duplicates: that were there, or twice.
    bad: rows that came now and are in quarantine, by reason. released: rows that leave the
    quarantine for the table. displaced: rows that leave the table for the quarantine.
    inserted, replaced, removed: rows of the table that are to be written. lost: rows whose key
    another row has. known_bad: all that belong into quarantine.
    """

    written: int = 0
    duplicates: int = 0
    released: int = 0
    displaced: int = 0
    inserted: int = 0
    replaced: int = 0
    removed: int = 0
    lost: int = 0
    known_bad: int = 0
    bad: dict[str, int] | None = None


def counted(shape: Shape, rows: DataFrame) -> Settlement:
    """Counts of settled rows, in one pass."""
    good, new = F.col(VERDICT) == GOOD, F.col(NEW) > 0
    counts = {
        "rows": F.sum(NEW),
        "contents": _number(new),
        "written": _number(good & new & ~F.col(HELD)),
        "released": _number(good & F.col(PENDING) & ~F.col(HELD)),
        "displaced": _number(~good & F.col(HELD)),
        "inserted": _number(inserts()),
        "replaced": _number(replaces()),
        "removed": _number(removes()),
        "all": F.count("*"),
    }
    aggregates = [aggregate.alias(name) for name, aggregate in counts.items()]
    found = {row[VERDICT]: row for row in rows.groupBy(VERDICT).agg(*aggregates).collect()}

    def total(name: str) -> int:
        return sum(int(row[name]) for row in found.values())

    bad = {reason: int(row["contents"]) for reason, row in found.items() if reason != GOOD}
    written = int(found[GOOD]["written"]) if GOOD in found else 0
    return Settlement(
        written=written,
        duplicates=total("rows") - written - sum(bad.values()),
        released=total("released"),
        displaced=total("displaced"),
        inserted=total("inserted"),
        replaced=total("replaced"),
        removed=total("removed"),
        lost=int(found[used(shape)]["all"]) if used(shape) in found else 0,
        known_bad=sum(int(row["all"]) for reason, row in found.items() if reason != GOOD),
        bad={reason: n for reason, n in bad.items() if n},
    )


def inserts() -> Column:
    """Settled rows whose key the table lacks."""
    return (F.col(VERDICT) == GOOD) & ~F.col(KEY_HELD)


def replaces() -> Column:
    """Settled rows that take the place of the table's row of their key."""
    changed = ~F.col(HELD) | (F.col("ingest_ts") < F.col(SEEN))
    return (F.col(VERDICT) == GOOD) & F.col(KEY_HELD) & changed


def removes() -> Column:
    """Settled rows that leave the table with nothing in their place."""
    return (F.col(VERDICT) != GOOD) & F.col(HELD) & ~F.col(KEY_GOOD)


def _number(condition: Column) -> Column:
    return F.sum(condition.cast("bigint"))


def bad_records(
    shape: Shape, rows: DataFrame, instant: str, calendar: Calendar, source: str
) -> DataFrame:
    """Settled rows that are bad, as the table `quarantine` has them."""
    bad = rows.where(F.col(VERDICT) != GOOD).withColumns(
        {RECORD: record_of(shape), SOURCE: F.coalesce(SOURCE, F.lit(f"{source}.{shape.name}"))}
    )
    return as_quarantine(bad, instant, calendar)


def as_quarantine(rows: DataFrame, instant: str, calendar: Calendar) -> DataFrame:
    """Rows with `_source`, `_verdict` and `_record` as the table `quarantine` has them."""
    day = calendar.date_of(calendar.index_of(F.col(instant)))
    return rows.select(
        F.col(SOURCE).alias("source"),
        day.alias("period"),
        F.col(VERDICT).alias("reason"),
        F.col(RECORD).alias("record"),
        F.current_timestamp().alias("detected_ts"),
    )
