"""The user's own tables or files as an event source, by a mapping in the settings.

    events:
      sources:
        tables:
          activity:
            from: analytics.web.visits        # a table, or a folder or file (then format says how)
            where: bot = false
            columns:
              user_id: customer               # the user's column, or any Spark SQL expression
              event_ts: to_timestamp(seen, 'dd.MM.yyyy HH:mm')
              kind: "'visit'"

A column that is not mapped is taken from a column of the same name; else it is empty where the
table may hold nothing, and `ingest_ts` is the event's own instant. Without `users`, the users are
those of the other tables, signed up at their first event.
"""

from collections.abc import Callable

from pydantic import BaseModel, ConfigDict, Field
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from bcrlsp.errors import ConfigError, DataError
from bcrlsp.events.source import SOURCES, Events, Grid
from bcrlsp.events.validate import INSTANTS
from bcrlsp.tables import TABLES

_PLACE = "events.sources.tables"


class Mapping(BaseModel):
    """How one of the user's tables becomes one event table."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    from_: str = Field(
        alias="from", description="name of a table, or the place of a folder or file (it has a /)"
    )
    format: str = Field("delta", description="of a folder or file: delta, parquet, csv, json, ...")
    options: dict[str, str] = Field(
        default_factory=dict, description="of a folder or file: how Spark reads it"
    )
    where: str | None = Field(None, description="Spark SQL condition; other rows are not events")
    columns: dict[str, str] = Field(
        default_factory=dict, description="event column: Spark SQL expression over the user's"
    )


class TablesSettings(BaseModel, extra="forbid", frozen=True):
    """The mappings."""

    activity: Mapping = Field(description="what users did")
    bonuses: Mapping = Field(description="what was sent, decisions to send nothing included")
    redemptions: Mapping = Field(description="which bonuses were used, and what they cost")
    users: Mapping | None = Field(None, description="who there is; null: from the other tables")


class Tables:
    """The user's own tables."""

    settings = TablesSettings

    def load(self, spark: SparkSession, settings: TablesSettings, grid: Grid) -> Events:
        """The mapped tables; ConfigError for a bad mapping, DataError for an absent table."""
        activity = _mapped(spark, "activity", settings.activity)
        bonuses = _mapped(spark, "bonuses", settings.bonuses)
        redemptions = _mapped(spark, "redemptions", settings.redemptions)
        users = (
            _first_seen(activity, bonuses, grid)
            if settings.users is None
            else _mapped(spark, "users", settings.users)
        )
        return Events(
            activity,
            bonuses,
            redemptions,
            users,
            whole=False,
            derived=frozenset({"users"} if settings.users is None else ()),
        )


def _mapped(spark: SparkSession, name: str, mapping: Mapping) -> DataFrame:
    place = f"{_PLACE}.{name}"
    table = TABLES[name]
    unknown = [column for column in mapping.columns if column not in table.columns]
    if unknown:
        raise ConfigError(
            f"{place}.columns names {', '.join(unknown)}; allowed: {', '.join(table.columns)}"
        )
    rows = _read(spark, place, mapping)
    if mapping.where is not None:
        rows = _fitting(rows, rows.where, f"{place}.where", mapping.where)
    texts = {}
    for field in table.schema:
        if field.name in mapping.columns:
            texts[field.name] = mapping.columns[field.name]
            _fitting(rows, rows.selectExpr, f"{place}.columns.{field.name}", texts[field.name])
        elif field.name in rows.columns:
            texts[field.name] = f"`{field.name}`"
        elif field.name == "ingest_ts":
            texts[field.name] = texts[INSTANTS[name]]
        elif field.nullable:
            texts[field.name] = "null"
        else:
            raise ConfigError(
                f"{place}.columns.{field.name} is missing and {mapping.from_} has no column of "
                f"that name; it has {', '.join(rows.columns)}: map one of them or an expression"
            )
    # Together, too: an aggregate fits alone and not beside the others.
    expressions = [f"{text} AS `{column}`" for column, text in texts.items()]
    return _fitting(
        rows, lambda _: rows.selectExpr(*expressions), f"{place}.columns", ", ".join(expressions)
    )


def _read(spark: SparkSession, place: str, mapping: Mapping) -> DataFrame:
    try:
        if "/" in mapping.from_:
            rows = spark.read.format(mapping.format).options(**mapping.options).load(mapping.from_)
        else:
            rows = spark.table(mapping.from_)
        rows.schema  # noqa: B018 - Connect resolves a table only when its schema is asked for
    except Exception as error:  # a format that is not there is an error of the JVM's own
        raise DataError(
            f"{place}.from = {mapping.from_!r} cannot be read: {_told(error)}"
        ) from None
    return rows


def _fitting(rows: DataFrame, use: Callable[[str], DataFrame], place: str, text: str) -> DataFrame:
    """What an expression of the user's makes of the rows; ConfigError when it does not fit them."""
    try:
        made = use(text)
        made.schema  # noqa: B018 - Connect resolves an expression only when its type is asked for
    except PySparkException as error:
        raise ConfigError(
            f"{place} = {text!r} does not fit: {_told(error)} The columns are "
            f"{', '.join(rows.columns)}"
        ) from None
    return made


def _told(error: Exception) -> str:
    return str(error).strip().splitlines()[0]


def _first_seen(activity: DataFrame, bonuses: DataFrame, grid: Grid) -> DataFrame:
    """Users of events whose id and instant ingestion will accept; others make nobody."""
    user = F.col("user_id").cast("string").alias("user_id")
    seen, sent = (
        rows.select(user, F.col(INSTANTS[name]).try_cast("timestamp").alias("signup_ts"))
        for name, rows in (("activity", activity), ("bonuses", bonuses))
    )
    earliest, latest = grid.span
    return (
        seen.unionByName(sent)
        .where((F.trim("user_id") != "") & (F.col("signup_ts") >= F.lit(earliest)))
        .where(F.col("signup_ts") < F.lit(latest))
        .groupBy("user_id")
        .agg(F.min("signup_ts").alias("signup_ts"))
        .select(
            "user_id",
            "signup_ts",
            F.lit("all").alias("segment"),
            F.col("signup_ts").alias("ingest_ts"),
        )
    )


SOURCES.register("tables")(Tables())
