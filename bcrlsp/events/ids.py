"""Ids that became others on their way: 123 in one table is 00123 in another, ab is AB."""

from collections.abc import Mapping
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from bcrlsp.errors import DataError
from bcrlsp.events.shapes import VERDICT
from bcrlsp.tables import Lake

_DIGITS = "^[0-9]+$"
_ASCII = r"^\p{ASCII}*$"
# With or without its brackets and hyphens.
_UUID = "^[{(]?([0-9a-f]{8})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{12})[)}]?$"
_IDS = {"user_id": "user", "bonus_id": "bonus"}

_WHY = {
    "leading_zeros": ("leading zeros alone", "some table lost zeros"),
    "letter_case": (
        "letter case, the encoding of a letter or a UUID's hyphens alone",
        "some table writes ids in another way",
    ),
}


def refuse_changed(
    lake: Lake, judged: Mapping[str, DataFrame], whole: bool, kept: Mapping[str, str]
) -> None:
    """DataError when two ids of users or bonuses differ in nothing but how they are written.

    judged: rows by table, each judged by itself. Ids are compared between all tables, and users
    with those of the lake, too. whole: what the lake holds does not count. kept: "refuse" or "keep"
    for `leading_zeros` and `letter_case`, the two ways of which an id has one: digits, or not.
    """
    refused = [setting for setting in _WHY if kept[setting] == "refuse"]
    if not refused:
        return
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
    id_ = F.col("id")
    setting = F.when(id_.rlike(_DIGITS), "leading_zeros").otherwise("letter_case")
    pairs = (
        reduce(DataFrame.unionByName, ids)
        .distinct()
        .withColumn("setting", setting)
        .where(F.col("setting").isin(refused))
        .groupBy("of", "setting", *_alike(id_))
        .agg(F.min("id").alias("low"), F.max("id").alias("high"))
        .where("low <> high")
        .groupBy("of", "setting")
        .agg(F.count("*").alias("n"), F.min(F.struct("low", "high")).alias("pair"))
        .orderBy("of", "setting")
        .collect()
    )
    for row in pairs:
        low, high = row["pair"]
        way, told = _WHY[row["setting"]]
        raise DataError(
            f"{row['n']:,} {row['of']} ids differ from another one in {way}, such as "
            f"{low!r} and {high!r}: {told}; give the ids as they were written, or "
            f"set events.{row['setting']}=keep where both are ids of a {row['of']}"
        )


def _alike(id_: Column) -> list[Column]:
    """What ids have in common that are the same but for how they are written.

    Of others than ASCII letters Unicode knows which are the same: an é of one letter or of two.
    """
    ascii_ = id_.rlike(_ASCII)
    number = F.regexp_replace(F.lower(id_), "^0+(?=[0-9]+$)", "")
    plain = F.regexp_replace(number, _UUID, "$1-$2-$3-$4-$5")
    return [
        F.when(ascii_, plain).otherwise("").alias("plain"),
        F.collate(F.when(ascii_, "").otherwise(id_), "UNICODE_CI").alias("letters"),
    ]
