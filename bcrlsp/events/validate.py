"""Which rows of an event table can be trusted by themselves, and why the others cannot.

Rules follow from the table's schema and from what the product relies on. A reason names a column
and a rule and never a value, so that reasons can be counted; the record holds the values. What
takes other rows to judge is in `settle`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import reduce

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, MapType, StructType

from bcrlsp.errors import DataError
from bcrlsp.events.shapes import (
    DATED,
    INSTANTS,
    MENDED,
    PROBLEM,
    RAW,
    RECORD,
    SHAPES,
    VERDICT,
    Shape,
)
from bcrlsp.events.source import Grid
from bcrlsp.events.values import first_reason, reading, refusal, room
from bcrlsp.periods import Calendar

# Epoch 0 and what lies before it are what systems write where they know no date.
_UNSET = datetime(1970, 1, 2, tzinfo=UTC)
# Microseconds are written: an event is found again by its record.
_JSON = {"ignoreNullFields": "false", "timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX"}

_MICRO = timedelta(microseconds=1)

Rule = tuple[Column, str]


def judge(name: str, rows: DataFrame, grid: Grid, keep: Sequence[str] = ()) -> DataFrame:
    """The rows of an event table in the table's types, each judged by itself.

    rows: the columns of the contract, in any type. keep: further columns that stay. Returns the
    columns of `SHAPES[name]`, and `_verdict` (why the row is bad, or null), `_record` (the row as
    it came, JSON), `_mended` (whether ids lost blanks or marks around them) and `_dated` (whether a
    date alone stood for its start). DataError when a column is missing or can never have its type.
    """
    require_columns(name, rows)
    shape = SHAPES[name]
    held = {field.name: field.dataType for field in rows.schema}
    ways = {
        field.name: reading(field, held[field.name], grid.calendar)
        for field in shape.schema
        if field.name in held
    }
    steps = rows.withColumns({f"_a_{c}": way.normal(F.col(c)) for c, way in ways.items()})
    steps = steps.withColumns({f"_b_{c}": way.base(F.col(f"_a_{c}")) for c, way in ways.items()})
    steps = steps.withColumns({f"_c_{c}": way.typed(F.col(f"_b_{c}")) for c, way in ways.items()})
    problems = [(F.col(PROBLEM).isNotNull(), F.col(PROBLEM))] if PROBLEM in held else []
    for c, way in ways.items():
        found = way.problems(F.col(c), F.col(f"_a_{c}"), F.col(f"_c_{c}"))
        problems += [(condition, F.lit(reason)) for condition, reason in found]
    record = F.to_json(F.struct(*(c for c in shape.columns if c in held)), _JSON)
    mended = [F.col(f"_a_{c}") != F.col(c).cast("string") for c, way in ways.items() if way.mends]
    dated = [way.dated(F.col(f"_a_{c}")) for c, way in ways.items() if way.dated is not None]
    typed = steps.select(
        *(
            (F.col(f"_c_{f.name}") if f.name in ways else F.lit(None).cast(f.dataType)).alias(
                f.name
            )
            for f in shape.schema
        ),
        first_reason(problems).alias(VERDICT),
        (F.coalesce(RAW, record) if RAW in held else record).alias(RECORD),
        _any(mended).alias(MENDED),
        _any(dated).alias(DATED),
        *keep,
    )
    ruled = first_reason([(condition, F.lit(reason)) for condition, reason in _rules(shape, grid)])
    return typed.withColumns({VERDICT: F.coalesce(VERDICT, ruled), **_faces(shape, grid)})


@dataclass(frozen=True)
class Tally:
    """Counts of a table's rows, each judged by itself.

    bad: rows by reason. mended, dated: see `judge`, of the other rows.
    """

    read: int
    bad: dict[str, int]
    mended: int
    dated: int


def tally(judged: DataFrame) -> Tally:
    """Counts of the judged rows of one table."""
    return tallies({"": judged})[""]


def tallies(judged: Mapping[str, DataFrame]) -> dict[str, Tally]:
    """Counts of judged rows by table, in one pass."""
    groups = [
        rows.groupBy(VERDICT)
        .agg(
            F.count("*").alias("n"),
            F.sum(F.col(MENDED).cast("bigint")).alias("mended"),
            F.sum(F.col(DATED).cast("bigint")).alias("dated"),
        )
        .withColumn("name", F.lit(name))
        for name, rows in judged.items()
    ]
    found = reduce(DataFrame.unionByName, groups).collect()
    return {name: _tally([row for row in found if row["name"] == name]) for name in judged}


def alike(judged: DataFrame, calendar: Calendar) -> int:
    """Good rows of activity without a time of day that are one row with another of their key.

    Two purchases of a user on one date are told apart from one that came twice by nothing.
    """
    instant, keys = F.col(INSTANTS["activity"]), SHAPES["activity"].keys
    local = [instant, F.timestamp_micros(F.unix_micros(instant) + F.lit(calendar.offset // _MICRO))]
    if calendar.zone is not None:
        local[1] = F.from_utc_timestamp(instant, calendar.zone)
    midnight = reduce(Column.__or__, [each == F.date_trunc("day", each) for each in local])
    several = judged.where(F.col(VERDICT).isNull() & midnight).groupBy(*keys).count()
    found = several.agg(F.sum(F.col("count") - 1).alias("n")).first()
    return int(found["n"] or 0) if found is not None else 0


def _tally(groups: list[Row]) -> Tally:
    good = next((row for row in groups if row[VERDICT] is None), None)
    return Tally(
        read=sum(int(row["n"]) for row in groups),
        bad={row[VERDICT]: int(row["n"]) for row in groups if row[VERDICT] is not None},
        mended=int(good["mended"]) if good else 0,
        dated=int(good["dated"]) if good else 0,
    )


def require_columns(name: str, rows: DataFrame) -> None:
    """DataError unless `rows` have the columns of event table `name`, each of a fitting type."""
    shape = SHAPES[name]
    held = {field.name: field.dataType for field in rows.schema}
    missing = [c for c in shape.columns if c not in held and c not in shape.optional]
    if missing:
        raise DataError(
            f"events for table {name} lack the columns {', '.join(missing)}; "
            f"they have {', '.join(held)}"
        )
    for field in shape.schema:
        kind = held.get(field.name)
        if isinstance(kind, ArrayType | MapType | StructType):
            raise DataError(
                f"column {field.name} for table {name} has type {kind.simpleString()}; "
                f"allowed: what can be a {field.dataType.simpleString()}"
            )
        problem = None if kind is None else refusal(field, kind)
        if problem is not None:
            raise DataError(f"events for table {name}: column {problem}")


def record_of(shape: Shape) -> Column:
    """A typed row as JSON: the same text for the same row, whatever it came as."""
    return F.to_json(F.struct(*shape.columns), _JSON)


def parsed(shape: Shape, record: Column) -> Column:
    """A record as a struct of texts, for `judge`."""
    fields = ", ".join(f"`{column}` string" for column in shape.columns)
    return F.from_json(record, fields)


def _any(conditions: list[Column]) -> Column:
    found = [F.coalesce(condition, F.lit(False)) for condition in conditions]
    return F.greatest(*found, F.lit(False), F.lit(False))


def _rules(shape: Shape, grid: Grid) -> list[Rule]:
    """Rules that a typed row can be judged by."""
    rules: list[Rule] = []
    columns = set(shape.columns)
    for field in shape.schema:
        if not field.nullable:
            rules.append((F.col(field.name).isNull(), f"{field.name} is missing"))
    if "level" in columns:
        rules += _money(grid)
    if shape.name == "redemptions":
        rules.append((F.col("amount") < 0, "amount is below 0"))
    if "propensity" in columns:
        share = F.col("propensity")
        rules.append(((share <= 0) | (share > 1), "propensity is outside (0, 1]"))
    rules += _out_of_time(shape, grid)
    unset = [c for c in ("ingest_ts", "known_ts") if c in columns]
    return rules + [(F.col(c) < F.lit(_UNSET), f"{c} is no date of knowledge") for c in unset]


def _money(grid: Grid) -> list[Rule]:
    """Money is what `amounts` says: budgets and features are made of that."""
    top = len(grid.amounts) - 1
    level, amount, face = F.col("level"), F.col("amount"), _face(grid)
    cents = (face > 0) & _near(amount, face * 100)
    return [
        (~level.between(0, top), f"level is outside 0 to {top}"),
        ((level == 0) & (amount != 0), "level 0 sends nothing, but amount is not 0"),
        (amount < 0, "amount is below 0"),
        (cents, "amount is 100 times the face value of the level: cents?"),
        (~_near(amount, face), "amount is not the face value of the level"),
    ]


def _faces(shape: Shape, grid: Grid) -> dict[str, Column]:
    """An amount that is a face value but for floating point is that face value."""
    if "level" not in shape.columns:
        return {}
    amount = F.col("amount")
    return {"amount": F.when(_near(amount, _face(grid)), _face(grid)).otherwise(amount)}


def _face(grid: Grid) -> Column:
    faces = F.array(*(F.lit(float(amount)) for amount in grid.amounts))
    # get, not element_at: a level beyond the last has a reason of its own, and no face value.
    return F.get(faces, F.col("level"))


def _near(amount: Column, face: Column) -> Column:
    return F.abs(amount - face) <= room(face)


def _out_of_time(shape: Shape, grid: Grid) -> list[Rule]:
    """Rules for instants that can only be mistakes: unset dates, wrong centuries.

    One such event would make its user's sign-up, and with it the user's every step.
    """
    instant = INSTANTS[shape.name]
    earliest, latest = grid.span
    ahead = (F.col(instant) >= F.lit(latest), f"{instant} is after events.latest")
    if shape.name == "users":
        # A sign-up may lie long before the log, but not where an unset date lies.
        return [ahead, (F.col(instant) < F.lit(_UNSET), f"{instant} is no date of a sign-up")]
    return [ahead, (F.col(instant) < F.lit(earliest), f"{instant} is before events.earliest")]
