"""Which rows of an event table can be trusted, and why the others cannot.

Each row gets one verdict: good, a duplicate (the same event again), or the reason why it goes to
quarantine. Rules follow from the table's schema and from what the product relies on. A reason names
a column and a rule and never a value, so that reasons can be counted; the record holds the values.
"""

from datetime import UTC, datetime
from functools import reduce

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, DataType, DoubleType, IntegerType, MapType, StructType

from bcrlsp.errors import DataError
from bcrlsp.events.source import Grid
from bcrlsp.tables import TABLES, Table

GOOD = "good"
DUPLICATE = "duplicate"
VERDICT = "_verdict"
RECORD = "_record"
_KNOWN = "_known"
_RANK = "_rank"
_FIRST = "_first"
_CONTENT = "_content"

# Amounts closer than this to a face value are that value: floating point, no other money.
_CENT_FRACTION = 1e-6
# Epoch 0 and what lies before it are what systems write where they know no date.
_UNSET = datetime(1970, 1, 2, tzinfo=UTC)

# When an event of the table happened.
INSTANTS = {
    "activity": "event_ts",
    "bonuses": "sent_ts",
    "redemptions": "redeemed_ts",
    "users": "signup_ts",
}


def judge(
    name: str,
    rows: DataFrame,
    grid: Grid,
    *,
    users: DataFrame | None = None,
    bonuses: DataFrame | None = None,
    known: DataFrame | None = None,
    derived: bool = False,
) -> DataFrame:
    """The rows of an event table with the table's types, each with its verdict.

    rows: the columns of the contract, in any type. users, bonuses: good rows that these refer to.
    known: rows that the table already holds; they win over new rows of the same key.
    derived: two rows of one key never contradict each other: the first known stays.
    Returns the table's columns, `_verdict` (good, duplicate, or the reason) and `_record` (the row
    as it came, JSON). DataError when a column is missing or can never have its type.
    """
    table = TABLES[name]
    typed = _typed(table, rows)
    typed = _by_row(table, typed, grid)
    if users is not None:
        typed = _of_known_users(typed, users)
    if bonuses is not None:
        typed = _of_known_bonuses(typed, bonuses)
    return _once(table, typed, known, derived)


def quarantined(name: str, judged: DataFrame, grid: Grid, source: str) -> DataFrame:
    """The rows in quarantine, as the table `quarantine` wants them, each once."""
    calendar = grid.calendar
    day = calendar.date_of(calendar.index_of(F.col(INSTANTS[name])))
    return (
        judged.where(~F.col(VERDICT).isin(GOOD, DUPLICATE))
        .select(
            F.lit(f"{source}.{name}").alias("source"),
            day.alias("period"),
            F.col(VERDICT).alias("reason"),
            F.col(RECORD).alias("record"),
        )
        .dropDuplicates(["source", "reason", "record"])
        .withColumn("detected_ts", F.current_timestamp())
    )


def require_columns(name: str, rows: DataFrame) -> None:
    """DataError unless `rows` have the columns of table `name`, each a single value."""
    table = TABLES[name]
    held = {field.name: field.dataType for field in rows.schema}
    missing = [column for column in table.columns if column not in held]
    if missing:
        raise DataError(
            f"events for table {name} lack the columns {', '.join(missing)}; "
            f"they have {', '.join(held)}"
        )
    for field in table.schema:
        if isinstance(held[field.name], ArrayType | MapType | StructType):
            raise DataError(
                f"column {field.name} for table {name} has type "
                f"{held[field.name].simpleString()}; allowed: what can be a "
                f"{field.dataType.simpleString()}"
            )


def _typed(table: Table, rows: DataFrame) -> DataFrame:
    """The table's columns by try_cast; a value that has no such type gives a verdict."""
    require_columns(table.name, rows)
    verdict = F.lit(None).cast("string")
    columns = []
    for field in table.schema:
        raw = F.col(field.name)
        cast = raw.try_cast(field.dataType)
        columns.append(cast.alias(field.name))
        kind = field.dataType.simpleString()
        verdict = F.coalesce(
            verdict,
            F.when(
                raw.isNotNull() & ~_fits(raw, cast, field.dataType), f"{field.name} is no {kind}"
            ),
        )
    record = F.to_json(F.struct(*table.columns), {"ignoreNullFields": "false"})
    return rows.select(*columns, record.alias(RECORD), verdict.alias(VERDICT))


def _fits(raw: Column, cast: Column, kind: DataType) -> Column:
    fits = cast.isNotNull()
    if isinstance(kind, IntegerType):
        # A cast of 1.5 to int is 1: not what was written.
        whole = raw.try_cast("double")
        fits = fits & (whole.isNull() | (whole == cast.cast("double")))
    if isinstance(kind, DoubleType):
        fits = fits & ~F.isnan(cast) & (F.abs(cast) < F.lit(float("inf")))
    return fits


def _by_row(table: Table, typed: DataFrame, grid: Grid) -> DataFrame:
    """Rules that one row can be judged by."""
    rules: list[tuple[Column, str]] = []
    for field in table.schema:
        if not field.nullable:
            rules.append((F.col(field.name).isNull(), f"{field.name} is missing"))
        if field.dataType.simpleString() == "string":
            rules.append((F.trim(field.name) == "", f"{field.name} is empty"))
    columns = set(table.columns)
    if "level" in columns:
        top = len(grid.amounts) - 1
        outside = ~F.col("level").between(0, top)
        rules.append((outside, f"level is outside 0 to {top}"))
        paid = (F.col("level") == 0) & (F.col("amount") != 0)
        rules.append((paid, "level 0 sends nothing, but amount is not 0"))
    if "amount" in columns and table.name != "activity":
        rules.append((F.col("amount") < 0, "amount is below 0"))
    if "level" in columns:
        rules.append((_not_face_value(grid), "amount is not the face value of the level"))
    if "propensity" in columns:
        share = F.col("propensity")
        rules.append(((share <= 0) | (share > 1), "propensity is outside (0, 1]"))
    rules += _out_of_time(table, grid)
    found = [F.when(F.coalesce(broken, F.lit(False)), reason) for broken, reason in rules]
    return typed.withColumn(VERDICT, F.coalesce(F.col(VERDICT), *found))


def _not_face_value(grid: Grid) -> Column:
    """Money is what `amounts` says: budgets and features are made of that."""
    faces = F.array(*(F.lit(float(amount)) for amount in grid.amounts))
    # get, not element_at: a level beyond the last has a reason of its own, and no face value.
    return F.abs(F.col("amount") - F.get(faces, F.col("level"))) > _CENT_FRACTION


def _out_of_time(table: Table, grid: Grid) -> list[tuple[Column, str]]:
    """Rules for instants that can only be mistakes: unset dates, wrong centuries.

    One such event would make its user's sign-up, and with it the user's every step.
    """
    instant = INSTANTS[table.name]
    earliest, latest = grid.span
    ahead = (F.col(instant) >= F.lit(latest), f"{instant} is after events.latest")
    if table.name == "users":
        # A sign-up may lie long before the log, but not where an unset date lies.
        return [ahead, (F.col(instant) < F.lit(_UNSET), f"{instant} is no date of a sign-up")]
    return [ahead, (F.col(instant) < F.lit(earliest), f"{instant} is before events.earliest")]


def _of_known_users(typed: DataFrame, users: DataFrame) -> DataFrame:
    there = users.select(F.col("user_id"), F.lit(True).alias("_there"))
    return (
        typed.join(there, "user_id", "left")
        .withColumn(
            VERDICT, F.coalesce(VERDICT, F.when(F.col("_there").isNull(), "user_id is unknown"))
        )
        .drop("_there")
    )


def _of_known_bonuses(typed: DataFrame, bonuses: DataFrame) -> DataFrame:
    sent = bonuses.select(
        F.col("bonus_id"),
        F.col("user_id").alias("_user"),
        F.col("sent_ts").alias("_sent"),
        F.col("level").alias("_level"),
    )
    reasons = (
        (F.col("_user").isNull(), "bonus_id is unknown"),
        (F.col("_user") != F.col("user_id"), "bonus was sent to another user"),
        (F.col("_level") == 0, "bonus of level 0 has nothing to redeem"),
        (F.col("redeemed_ts") < F.col("_sent"), "redeemed before the bonus was sent"),
    )
    found = [F.when(broken, reason) for broken, reason in reasons]
    return (
        typed.join(sent, "bonus_id", "left")
        .withColumn(VERDICT, F.coalesce(VERDICT, *found))
        .drop("_user", "_sent", "_level")
    )


def _once(table: Table, typed: DataFrame, known: DataFrame | None, derived: bool) -> DataFrame:
    """Of good rows with one key the earliest known stays; others repeat it or contradict it."""
    matters = [c for c in table.columns if c not in {*table.keys, "ingest_ts"}]
    payload = [] if derived else matters
    new = typed.withColumn(_KNOWN, F.lit(False))
    if known is not None:
        held = known.select(
            *(F.col(c).cast(table.schema[c].dataType).alias(c) for c in table.columns),
            F.lit("").alias(RECORD),
            F.lit(None).cast("string").alias(VERDICT),
            F.lit(True).alias(_KNOWN),
        )
        new = new.unionByName(held)
    new = new.withColumn(_CONTENT, F.to_json(F.struct(F.lit(0), *payload)))
    # Bad rows take no part: each has a group of its own verdict.
    group = Window.partitionBy(*table.keys, VERDICT)
    order = group.orderBy(F.desc(_KNOWN), F.asc("ingest_ts"), F.asc(_CONTENT))
    verdict = (
        F.when(F.col(VERDICT).isNotNull(), F.col(VERDICT))
        .when(F.col(_RANK) == 1, F.lit(GOOD))
        .when(F.col(_CONTENT) == F.col(_FIRST), F.lit(DUPLICATE))
        .otherwise(f"{' and '.join(table.keys)} already used by another event")
    )
    return (
        new.withColumn(_RANK, F.row_number().over(order))
        .withColumn(_FIRST, F.first(_CONTENT).over(order))
        .where(~F.col(_KNOWN))
        .select(*table.columns, verdict.alias(VERDICT), F.col(RECORD))
    )


def tally(judged: DataFrame) -> dict[str, int]:
    """Number of rows of each verdict, in one pass."""
    rows = judged.groupBy(VERDICT).count().collect()
    return reduce(lambda held, row: held | {row[VERDICT]: int(row["count"])}, rows, {})
