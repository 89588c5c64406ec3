"""What the stream reads: requests, redemptions and activity, in one query.

One query has one checkpoint and one number a micro-batch, so that requests and what came back are
taken in together, exactly once. A table that its writer also merges into sends rows of rewritten
files again (`ignoreChanges`): each kind of row is taken in once by its id.
"""

from datetime import datetime

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from bcrlsp.control.stream.settings import ControlSettings, KafkaSettings
from bcrlsp.tables import Lake

_REQUEST = "request_id string, user_id string, request_ts timestamp"


def events(lake: Lake, settings: ControlSettings, since: datetime) -> DataFrame:
    """A streaming DataFrame: source, id, user_id, time (seconds since 1970), amount, kind.

    since: events before it are left out.
    """
    if settings.kafka is not None:
        requests = _from_kafka(lake, settings.kafka)
    else:
        requests = _table(lake, "requests", settings).withColumn("text", F.lit(""))
    first = F.lit(since)
    whole = F.col("request_id").isNotNull() & F.col("user_id").isNotNull()
    whole &= F.col("request_ts").isNotNull() & (F.col("request_id") != F.lit(""))
    shaped = [
        requests.where(~whole | (F.col("request_ts") >= first)).select(
            F.when(whole, "request").otherwise("malformed").alias("source"),
            F.col("request_id").alias("id"),
            "user_id",
            _seconds("request_ts"),
            F.lit(0.0).alias("amount"),
            F.col("text").alias("kind"),
        ),
        _table(lake, "redemptions", settings)
        .where(F.col("redeemed_ts") >= first)
        .select(
            F.lit("redemption").alias("source"),
            F.col("bonus_id").alias("id"),
            "user_id",
            _seconds("redeemed_ts"),
            "amount",
            F.lit("").alias("kind"),
        ),
        _table(lake, "activity", settings)
        .where(F.col("event_ts") >= first)
        .select(
            F.lit("activity").alias("source"),
            F.lit("").alias("id"),
            "user_id",
            _seconds("event_ts"),
            F.lit(0.0).alias("amount"),
            "kind",
        ),
    ]
    return shaped[0].unionByName(shaped[1]).unionByName(shaped[2])


def _seconds(column: str) -> Column:
    return (F.unix_micros(F.col(column)) / F.lit(1e6)).alias("time")


def _table(lake: Lake, name: str, settings: ControlSettings) -> DataFrame:
    lake.create(name)
    reader = lake.spark.readStream.format("delta").option("ignoreChanges", "true")
    reader = reader.option("maxFilesPerTrigger", settings.files_a_batch)
    identifier = lake.identifier(name)
    if identifier.startswith("delta.`"):
        return reader.load(lake.location(name))
    return reader.table(identifier)


def _from_kafka(lake: Lake, kafka: KafkaSettings) -> DataFrame:
    reader = (
        lake.spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", kafka.servers)
        .option("subscribe", kafka.topic)
        .option("startingOffsets", "earliest")
        .options(**kafka.options)
    )
    text = F.col("value").cast("string")
    return (
        reader.load()
        .select(F.from_json(text, _REQUEST).alias("r"), text.alias("text"))
        .select("r.*", "text")
    )
