"""Ids that became others on their way: 123 in one table is 00123 in another."""

from collections.abc import Mapping
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from bcrlsp.errors import DataError
from bcrlsp.events.shapes import VERDICT
from bcrlsp.tables import Lake

_DIGITS = "^[0-9]+$"
_IDS = {"user_id": "user", "bonus_id": "bonus"}


def refuse_lost_zeros(lake: Lake, judged: Mapping[str, DataFrame], whole: bool) -> None:
    """DataError when two ids of users or bonuses differ in leading zeros alone.

    judged: rows by table, each judged by itself. Ids are compared between all tables, and users
    with those of the lake, too. whole: what the lake holds does not count.
    """
    ids = []
    for column, what in _IDS.items():
        frames = [
            rows.where(F.col(VERDICT).isNull()).select(column)
            for rows in judged.values()
            if column in rows.columns
        ]
        if column == "user_id" and not whole and lake.exists("users"):
            frames.append(lake.read("users").select(column))
        ids += [rows.select(F.col(column).alias("id"), F.lit(what).alias("of")) for rows in frames]
    pairs = (
        reduce(DataFrame.unionByName, ids)
        .where(F.col("id").rlike(_DIGITS))
        .groupBy("of", F.regexp_replace("id", "^0+(?=[0-9])", "").alias("number"))
        .agg(F.min("id").alias("low"), F.max("id").alias("high"))
        .where("low <> high")
        .groupBy("of")
        .agg(F.count("*").alias("n"), F.min(F.struct("low", "high")).alias("pair"))
        .orderBy("of")
        .collect()
    )
    for row in pairs:
        low, high = row["pair"]
        raise DataError(
            f"{row['n']:,} {row['of']} ids differ from another one in leading zeros alone, such as "
            f"{low!r} and {high!r}: some table lost zeros; give the ids as they were written, or "
            f"set events.leading_zeros=keep where both are ids of a {row['of']}"
        )
