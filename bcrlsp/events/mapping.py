"""From the user's rows to an event table's: names found, expressions tried, types checked."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, StringType, StructField, TimestampType

from bcrlsp.errors import ConfigError
from bcrlsp.events import names
from bcrlsp.events.attempts import atomic, attempt, failed, value
from bcrlsp.events.files import MALFORMED, read
from bcrlsp.events.instants import INSTANT_TYPES, guarded, hidden
from bcrlsp.events.names import cleaned
from bcrlsp.events.reading import told
from bcrlsp.events.shapes import PROBLEM, RAW, SHAPES, Shape
from bcrlsp.events.values import IDS, first_reason, normal, refusal, unclear

_MALFORMED = "row cannot be read as what its file is"
_UNDECIDED = "where cannot be computed"
# A text or a number as it stands: nothing in it can fail.
_CONSTANT = re.compile(r"'[^'\\]*'|\d+(\.\d+)?|null", re.IGNORECASE)
# Columns of expressions that were tried, beside the user's.
_TRIED = "_bcrlsp_"
# Options that say how instants are written.
_FORMATS = ("timestampformat", "timestampntzformat", "dateformat")
_NAME = re.compile(r"\w+|`[^`]+`")


class Mapping(BaseModel):
    """How one of the user's tables becomes one event table."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    from_: str = Field(
        alias="from",
        description="name of a table, or the place of a folder or file (it has a / or begins with "
        "~, the home folder)",
    )
    format: str = Field("delta", description="of a folder or file: delta, parquet, csv, json, ...")
    options: dict[str, str] = Field(
        default_factory=dict, description="of a folder or file: how Spark reads it"
    )
    where: str | None = Field(None, description="Spark SQL condition; other rows are not events")
    columns: dict[str, str] = Field(
        default_factory=dict, description="event column: Spark SQL expression over the user's"
    )


@dataclass(frozen=True)
class Mapped:
    """Rows of an event table, and what a reader should know of how they came about."""

    rows: DataFrame
    notes: tuple[str, ...]


def mapped(spark: SparkSession, place: str, name: str, mapping: Mapping) -> Mapped:
    """The mapped rows, lazily: the event table's columns, `PROBLEM` and `RAW`.

    place: of the mapping in the settings. ConfigError for a mapping that does not fit, DataError
    for a table that cannot be read.
    """
    shape = SHAPES[name]
    unknown = [column for column in mapping.columns if column not in shape.columns]
    if unknown:
        raise ConfigError(
            f"{place}.columns names {', '.join(unknown)}; allowed: {', '.join(shape.columns)}"
        )
    rows = _read(spark, place, shape, mapping)
    problems: list[tuple[Column, str]] = []
    if MALFORMED in rows.columns:
        problems.append((F.col(MALFORMED).isNotNull(), _MALFORMED))
    if mapping.where is not None:
        rows = _where(rows, f"{place}.where", mapping.where, problems)
    made = {}
    absent = []
    for field in shape.schema:
        text = mapping.columns.get(field.name) or _found(rows, place, field.name, mapping)
        if text is not None:
            made[field.name] = _column(rows, f"{place}.columns.{field.name}", field, text)
        elif field.nullable or field.name == "ingest_ts":
            absent.append(field.name)
        else:
            raise ConfigError(
                f"{place}.columns.{field.name} is missing and {mapping.from_} has no column of "
                f"that name; it has {_listed(rows)}: map one of them or an expression"
            )
    result = _together(rows, place, shape, made, absent, problems)
    empty = [column for column in absent if column not in ("ingest_ts", "known_ts")]
    note = (f"{name}: no column for {', '.join(empty)}: empty",) if empty else ()
    return Mapped(result, note)


@dataclass(frozen=True)
class _Made:
    """One column. column: of its type, or marked text where it is `tried`. kind: its own type.

    read: texts that it makes instants of, marked, where it is an instant itself.
    """

    text: str
    column: Column
    kind: DataType
    tried: bool
    read: tuple[Column, ...] = ()


def _read(spark: SparkSession, place: str, shape: Shape, mapping: Mapping) -> DataFrame:
    as_text = _as_text(shape, mapping)
    rows = read(spark, place, mapping.from_, mapping.format, mapping.options, as_text)
    own_format = any(key.lower() in _FORMATS for key in mapping.options)
    if mapping.format.lower() != "csv" or own_format:
        return rows
    # What a reader took for instants it has completed: an expression must see the texts.
    texts = [*mapping.columns.values(), mapping.where or ""]
    used = {cleaned(name).lower() for text in texts for name in names.mentioned(text)}
    guessed = {
        cleaned(f.name).lower() for f in rows.schema if isinstance(f.dataType, INSTANT_TYPES)
    }
    if not guessed & used:
        return rows
    as_text |= guessed & used
    return read(spark, place, mapping.from_, mapping.format, mapping.options, as_text)


def _as_text(shape: Shape, mapping: Mapping) -> set[str]:
    """Columns that must stay as they are written in a file that has no types of its own."""
    named = set(shape.columns) - mapping.columns.keys()
    for column, text in mapping.columns.items():
        if column in IDS or _NAME.fullmatch(text.strip()):
            named |= set(names.mentioned(text))
    return {name.lower() for name in named}


def _where(rows: DataFrame, place: str, text: str, problems: list[tuple[Column, str]]) -> DataFrame:
    """The rows that meet the condition, and those that it cannot be computed for."""
    _no_functions(rows, place, text)
    fitting = _fitting(rows, rows.where, place, text)
    texts = [f.name for f in rows.schema if isinstance(f.dataType, StringType)]
    others = [f.name for f in rows.schema if f.name not in texts]
    if names.is_simple_condition(text, texts, others):
        return fitting
    marked = F.col(f"{_TRIED}where")
    problems.append((failed(marked), _UNDECIDED))
    looked_at, _ = _guarded(rows, place, text)
    tried = rows.withColumn(f"{_TRIED}where", attempt(looked_at, rows.schema))
    return tried.where(failed(marked) | (value(marked) == "true"))


def _found(rows: DataFrame, place: str, name: str, mapping: Mapping) -> str | None:
    """The user's column of an event column's name, in any case; ConfigError where two could be."""
    found = names.matching(name, rows.columns)
    several = found if len(found) > 1 else names.repeated(name, rows.columns) if not found else []
    if several:
        raise ConfigError(
            f"{place}.columns.{name} is missing, and {mapping.from_} has it more than once: "
            f"{', '.join(several)}; map one of them"
        )
    return names.quoted(found[0]) if found else None


def _column(rows: DataFrame, place: str, field: StructField, text: str) -> _Made:
    changing = names.changing(text, rows.columns)
    if changing:
        what = changing[0]
        if what.isidentifier():
            what = f"there is no column {what}, and the function of that name"
        raise ConfigError(
            f"{place} = {text!r}: {what} gives other values in each run, and each run would add "
            f"other rows; map a column, or an expression over columns; the columns are "
            f"{_listed(rows)}"
        )
    _no_functions(rows, place, text)
    kind = _fitting(rows, rows.selectExpr, place, text).schema[0].dataType
    problem = refusal(field, kind)
    if problem is not None:
        raise ConfigError(f"{place} = {text!r}: {problem}")
    plain = text.strip()
    known = {column.lower() for column in rows.columns}
    named = _NAME.fullmatch(plain) is not None and plain.strip("`").lower() in known
    if named or _CONSTANT.fullmatch(plain):
        return _Made(text, F.expr(text), kind, tried=False)
    looked_at, texts = _guarded(rows, place, text)
    is_instant = isinstance(field.dataType, TimestampType)
    seen = tuple(attempt(each, rows.schema) for each in texts) if is_instant else ()
    return _Made(text, attempt(looked_at, rows.schema), kind, tried=True, read=seen)


def _guarded(rows: DataFrame, place: str, text: str) -> tuple[str, list[str]]:
    """The expression in which Spark completes no date, and the texts that it makes dates of."""
    calls = hidden(text)
    if calls:
        raise ConfigError(
            f"{place} = {text!r}: {calls[0]} would make dates of texts such as 2025 and 10:30, and "
            "nobody could see it; take the text out first, then map to_timestamp(text) over it"
        )

    def kind_of(part: str) -> DataType | None:
        try:
            return rows.selectExpr(part).schema[0].dataType
        except PySparkException:  # a part of something that gives it a meaning
            return None

    looked_at, texts = guarded(text, kind_of)
    if looked_at != text:
        try:
            rows.selectExpr(looked_at).schema  # noqa: B018 - see `_fitting`
        except PySparkException:
            raise ConfigError(
                f"{place} = {text!r} makes a date of a text in a way that cannot be checked; give "
                "the text's format, such as to_timestamp(text, 'yyyy-MM-dd HH:mm:ss')"
            ) from None
    return looked_at, texts


def _no_functions(rows: DataFrame, place: str, text: str) -> None:
    called = names.called_without_brackets(text, rows.columns)
    if called:
        raise ConfigError(
            f"{place} = {text!r}: there is no column {called[0]}, and Spark would call the "
            f"function of that name; the columns are {_listed(rows)}; write {called[0]}() for the "
            "function"
        )


def _together(
    rows: DataFrame,
    place: str,
    shape: Shape,
    made: dict[str, _Made],
    absent: list[str],
    problems: list[tuple[Column, str]],
) -> DataFrame:
    """All columns: an aggregate fits alone and not beside the others."""
    tried = {f"{_TRIED}{name}": each.column for name, each in made.items() if each.tried}
    values: dict[str, Column] = {}
    for name, each in made.items():
        marked = F.col(f"{_TRIED}{name}")
        for number, text in enumerate(each.read):
            tried[f"{_TRIED}{name}_text{number}"] = text
            seen = normal(value(F.col(f"{_TRIED}{name}_text{number}")))
            problems += [(value(marked).isNull() & no, why) for no, why in unclear(name, seen)]
        if each.tried:
            problems.append((failed(marked), f"{name} cannot be computed"))
        values[name] = value(marked) if each.tried else each.column
    for name in absent:
        # An event was ingested when it happened, where nothing else is said.
        same = name == "ingest_ts" and shape.name != "users"
        none = F.lit(None).cast(shape.schema[name].dataType)
        values[name] = values[shape.instant] if same else none
    problem = first_reason([(broken, F.lit(why)) for broken, why in problems])
    singles = [name for name in atomic(rows.schema) if _TRIED not in name]
    raw = F.to_json(F.struct(*singles)) if singles else F.lit(None)
    texts = ", ".join(each.text for each in made.values())

    def select(_: str) -> DataFrame:
        # A step of its own: what is used twice would be computed twice.
        steps = rows.withColumns(tried) if tried else rows
        columns = (values[name].alias(f"{_TRIED}{name}_") for name in shape.columns)
        steps = steps.withColumn(PROBLEM, problem).select(
            "*", F.when(F.col(PROBLEM).isNotNull(), raw).alias(RAW), *columns
        )
        return steps.select(
            *(F.col(f"{_TRIED}{name}_").alias(name) for name in shape.columns), PROBLEM, RAW
        )

    return _fitting(rows, select, f"{place}.columns", texts)


def _fitting(rows: DataFrame, use: Callable[[str], DataFrame], place: str, text: str) -> DataFrame:
    """What an expression of the user's makes of the rows; ConfigError when it does not fit them."""
    try:
        made = use(text)
        made.schema  # noqa: B018 - Connect resolves an expression only when its type is asked for
    except PySparkException as error:
        raise ConfigError(
            f"{place} = {text!r} does not fit: {told(error)}; the columns are {_listed(rows)}"
        ) from None
    return made


def _listed(rows: DataFrame) -> str:
    """The columns, so that marks that nobody sees are seen."""
    shown = [name if name.isprintable() else ascii(name) for name in rows.columns]
    return ", ".join(n for n in shown if n != MALFORMED and not n.startswith(_TRIED))
