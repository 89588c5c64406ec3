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
    """DataError when two users' ids differ in leading zeros alone, here or in the lake.

    judged: rows by table, each judged by itself. Users are those of the table users where the
    source has it: an id that is not there makes nobody. whole: what the lake holds does not count.
    """
    names = ["users"] if "users" in judged else ["activity", "bonuses"]
    new = [judged[name].where(F.col(VERDICT).isNull()).select("user_id") for name in names]
    held = [] if whole or not lake.exists("users") else [lake.read("users").select("user_id")]
    ids = reduce(DataFrame.unionByName, new + held)
    pairs = (
        ids.where(F.col("user_id").rlike(_DIGITS))
        .groupBy(F.regexp_replace("user_id", "^0+(?=[0-9])", "").alias("number"))
        .agg(F.min("user_id").alias("low"), F.max("user_id").alias("high"))
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
            f"{pairs['n']:,} user ids differ from another one in leading zeros alone, such as "
            f"{pairs['low']!r} and {pairs['high']!r}: some table lost zeros; give the ids as they "
            "were written, or set events.leading_zeros=keep where they are different users"
        )
