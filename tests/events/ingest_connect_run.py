"""Run as a script: ingest files through a local Spark Connect server of its own, ANSI mode off.

argv: a folder. Prints one JSON object: counts by table, reasons in quarantine, rows of tables.
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path

from pyspark.sql import SparkSession

from bcrlsp.events import Grid, ingest, load_events
from bcrlsp.periods import Settings as PeriodSettings
from bcrlsp.tables import Lake
from bcrlsp.tables import Settings as LakeSettings

GRID = Grid(PeriodSettings().calendar(), (0.0, 1.0, 2.0))
FILES = {
    "activity": "who,ms,n\nu1,1736157600000,1\nu2,-9223372036854775808,1\nu1,1736157601000,0\n",
    "bonuses": "id,who,at,step\nb1,u1,2025-01-06,1\nb2,u2,2025-01-07,0\n",
    "redemptions": "id,who,at,euro\nb1,u1,2025-01-06 10:01,1.00\nb9,u1,2025-01-06 10:01,1.00\n",
}


def settings(folder: Path) -> dict:
    columns = {
        "activity": {"event_ts": "timestamp_millis(ms)", "kind": "'v'", "amount": "1 / n"},
        "bonuses": {"bonus_id": "id", "sent_ts": "at", "level": "step", "amount": "step"},
        "redemptions": {"bonus_id": "id", "redeemed_ts": "at", "amount": "euro"},
    }
    for name, text in FILES.items():
        (folder / f"{name}.csv").write_text(text)
    return {
        name: {
            "from": str(folder / f"{name}.csv"),
            "format": "csv",
            "options": {"header": "true", "inferSchema": "true"},
            "columns": {"user_id": "who", **how},
        }
        for name, how in columns.items()
    }


def main(folder: str) -> None:
    built_for = ".".join(version("pyspark").split(".")[:2])
    conf = {
        "spark.jars.packages": f"io.delta:delta-spark_{built_for}_2.13:{version('delta-spark')}",
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.databricks.delta.snapshotPartitions": "2",
        "spark.sql.shuffle.partitions": "1",
        "spark.sql.ansi.enabled": "false",
        "spark.sql.session.timeZone": "America/Los_Angeles",
        "spark.driver.memory": "1g",
        "spark.ui.enabled": "false",
    }
    builder = SparkSession.builder.remote("local[1]")
    for key, value in conf.items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    lake = Lake(spark, LakeSettings(root=f"{folder}/lake"))
    mapping = settings(Path(folder))
    reports = [
        ingest(lake, "tables", load_events("tables", spark, mapping, GRID), GRID) for _ in range(2)
    ]
    told = {
        "session": type(spark).__module__,
        "written": [{n: c.written for n, c in report.tables.items()} for report in reports],
        "reasons": sorted(row["reason"] for row in lake.read("quarantine").collect()),
        "activity": [
            row["at"]
            for row in lake.read("activity").selectExpr("unix_seconds(event_ts) at").collect()
        ],
        "sent": sorted(
            row["at"]
            for row in lake.read("bonuses").selectExpr("unix_seconds(sent_ts) at").collect()
        ),
    }
    spark.stop()
    print(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1])
