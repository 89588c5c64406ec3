"""Ids that became others on their way: 123 in one table is 00123 in another."""

from collections.abc import Mapping
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from bcrlsp.errors import DataError
from bcrlsp.events.shapes import VERDICT
from bcrlsp.tables import Lake

_DIGITS = "^[0-9]+$"


def refuse_lost_zeros(lake: Lake, judged: Mapping[str, DataFrame], whole: bool) -> None:
    """DataError when two ids of users or bonuses differ in leading zeros alone.

    judged: rows by table, each judged by itself. Ids are compared between all tables, and users
    with those of the lake, too. whole: what the lake holds does not count.
    """
    for column, what in (("user_id", "user"), ("bonus_id", "bonus")):
        ids = [
            rows.where(F.col(VERDICT).isNull()).select(column)
            for rows in judged.values()
            if column in rows.columns
        ]
        if column == "user_id" and not whole and lake.exists("users"):
            ids.append(lake.read("users").select(column))
        _refuse(reduce(DataFrame.unionByName, ids), column, what)


def _refuse(ids: DataFrame, column: str, what: str) -> None:
    pairs = (
        ids.where(F.col(column).rlike(_DIGITS))
        .groupBy(F.regexp_replace(column, "^0+(?=[0-9])", "").alias("number"))
        .agg(F.min(column).alias("low"), F.max(column).alias("high"))
        .where("low <> high")
        .agg(
            F.count("*").alias("n"),
            F.min("low").alias("low"),
            F.min_by("high", "low").alias("high"),
        )
        .first()
    )
    if pairs is not None and pairs["n"]:
        raise DataError(
            f"{pairs['n']:,} {what} ids differ from another one in leading zeros alone, such as "
            f"{pairs['low']!r} and {pairs['high']!r}: some table lost zeros; give the ids as they "
            f"were written, or set events.leading_zeros=keep where they are different {column}s"
        )
