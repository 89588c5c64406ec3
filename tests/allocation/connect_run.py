"""Run as a script: allocate through a local Spark Connect server of its own, on both stores.

argv: a folder. Prints one JSON object: levels by user of each store, and of solve.
"""

import json
import sys
from importlib.metadata import version

from pyspark.sql import SparkSession
from test_allocate import SMALL, budgets, frame, market

from bcrlsp.allocation import DeltaStore, FileStore, allocate, solve

USERS = 600


def main(folder: str) -> None:
    built_for = ".".join(version("pyspark").split(".")[:2])
    delta = f"io.delta:delta-spark_{built_for}_2.13:{version('delta-spark')}"
    conf = {
        # The server is this script's own: what is its to set can be set here.
        "spark.jars.packages": delta,
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.databricks.delta.snapshotPartitions": "2",
        "spark.sql.shuffle.partitions": "1",
        "spark.driver.memory": "1g",
        "spark.ui.enabled": "false",
    }
    builder = SparkSession.builder.remote("local[1]")
    for key, value in conf.items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    m, asked = market(USERS, seed=4, ties=True), budgets(USERS, several=False)
    there = solve(
        m["value"], m["cost"], asked, groups=m["segment"], user_ids=m["user_id"], settings=SMALL
    )
    told = {
        "session": type(spark).__module__,
        "solve": dict(zip(m["user_id"], there.levels.tolist(), strict=True)),
    }
    stores = {
        "files": FileStore(spark, f"{folder}/files"),
        "delta": DeltaStore(spark, f"{folder}/d"),
    }
    for name, store in stores.items():
        done = allocate(frame(spark, m, 2), asked, store=store, settings=SMALL, block_users=400)
        told[name] = {row["user_id"]: row["level"] for row in done.decisions.collect()}
        done.release()
    spark.stop()
    print(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1])
