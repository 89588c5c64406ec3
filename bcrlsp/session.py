"""The one place that builds a Spark session.

On Databricks, and wherever a session already runs, that session is used as it is: Delta is there.
Elsewhere a local one is built with Delta's JAR (resolved once by Spark's own Ivy, cached under
~/.ivy2*), its SQL extension and its catalog.
"""

import logging
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, Field, field_validator
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from bcrlsp.errors import UserError
from bcrlsp.java import java_problem

# Delta computes a snapshot in 50 partitions by default: on one machine seconds for each write.
_ONE_MACHINE = {"spark.databricks.delta.snapshotPartitions": "2"}
_DELTA = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
}
# Seconds that a start waits for another one on this machine.
_LONGEST_START = 600.0


class Settings(BaseModel):
    """Where Spark runs and what it may use; under spark-submit, what that says goes first."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    master: str | None = Field(
        "local[2]", description="master of a session built here; null: as spark-submit says"
    )
    remote: str | None = Field(
        None, description="address of a Spark Connect server (sc://host:15002); it excludes master"
    )
    driver_memory: str = Field(
        "3g", description="heap of a local session's JVM, such as 3g or 512m"
    )
    shuffle_partitions: int = Field(
        4, ge=1, description="partitions after a shuffle; adaptive execution may merge them"
    )
    packages: tuple[str, ...] = Field(
        (), description="Maven coordinates of further packages of a session built here"
    )
    conf: dict[str, str] = Field(
        default_factory=dict, description="any further Spark settings, which win over the above"
    )

    @field_validator("driver_memory")
    @classmethod
    def _memory(cls, value: str) -> str:
        if not re.fullmatch(r"[1-9]\d*[kmgt]b?", value, re.IGNORECASE):
            raise ValueError("allowed: a number and its unit, such as 3g or 512m")
        return value


def get_session(settings: Settings) -> SparkSession:
    """The running session, or a new one with Delta as `settings` say."""
    # PySpark logs every failed query besides raising it: a mistake would be told twice.
    logging.getLogger("SQLQueryContextLogger").setLevel(logging.CRITICAL)
    if _on_databricks():
        return in_utc(SparkSession.builder.getOrCreate())
    running = SparkSession.getActiveSession()
    if running is not None:
        return in_utc(running)
    for name in ("PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON"):
        os.environ.setdefault(name, sys.executable)
    if settings.remote:
        # JARs, extension and catalog are the Connect server's own settings.
        session = SparkSession.builder.remote(settings.remote).getOrCreate()
        session.conf.set("spark.sql.shuffle.partitions", str(settings.shuffle_partitions))
        return in_utc(session)
    problem = java_problem()
    if problem:
        raise UserError(problem)
    builder = SparkSession.builder.appName("bcrlsp")
    if "PYSPARK_GATEWAY_PORT" in os.environ:
        return _submitted(builder, settings)
    return _local(builder, settings)


def require_zone(session: SparkSession, zone: str | None) -> None:
    """UserError for a time zone that Python knows and Spark's Java does not (yet)."""
    if zone is None:
        return
    try:
        session.sql(
            "SELECT from_utc_timestamp(TIMESTAMP '2025-01-06 00:00:00', :zone)", {"zone": zone}
        ).collect()
    except PySparkException:
        raise UserError(
            f"period.zone = {zone} is a time zone that the Java of Spark does not know; allowed: "
            "one that it knows, such as Europe/Berlin; or use a newer Java"
        ) from None


def in_utc(session: SparkSession) -> SparkSession:
    """The session, in which a time without a zone is UTC and an overflow is an error.

    Whatever it was before: the same events are to be the same instants and numbers everywhere.
    """
    for key, value in (("spark.sql.session.timeZone", "UTC"), ("spark.sql.ansi.enabled", "true")):
        if session.conf.get(key, None) != value:
            with suppress(PySparkException):  # some services fix what they have
                session.conf.set(key, value)
    return session


def _submitted(builder: SparkSession.Builder, settings: Settings) -> SparkSession:
    """Under spark-submit master, memory and packages are the command line's."""
    for key, value in {**_common(settings), **settings.conf}.items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    try:
        session.sql("SHOW TABLES").collect()  # the first use loads Delta's catalog
    except PySparkException as error:
        if "DeltaCatalog" not in str(error):
            raise
        raise UserError(
            f"spark-submit started without Delta; add --packages {_delta_coordinates()}"
        ) from None
    if (session.conf.get("spark.master", "") or "").startswith("local"):
        for key, value in _ONE_MACHINE.items():
            session.conf.set(key, value)
    return session


def _local(builder: SparkSession.Builder, settings: Settings) -> SparkSession:
    from delta import configure_spark_with_delta_pip

    conf = {
        "spark.driver.memory": settings.driver_memory,
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        **_ONE_MACHINE,
        **_common(settings),
        **settings.conf,
    }
    if settings.master:
        builder = builder.master(settings.master)
    for key, value in conf.items():
        builder = builder.config(key, value)
    with _alone():
        more = list(settings.packages)
        session = configure_spark_with_delta_pip(builder, extra_packages=more).getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    return session


@contextmanager
def _alone() -> Iterator[None]:
    """One start at a time on this machine: two that fill Ivy's cache together break each other's
    downloads, and neither starts."""
    lock = FileLock(Path(tempfile.gettempdir()) / f"bcrlsp-spark-{os.getuid()}.lock")
    with suppress(Timeout):  # whoever holds it hangs: this start may still work
        lock.acquire(timeout=_LONGEST_START)
    try:
        yield
    finally:
        lock.release()


def _common(settings: Settings) -> dict[str, str]:
    return {
        "spark.sql.shuffle.partitions": str(settings.shuffle_partitions),
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.sql.execution.arrow.maxRecordsPerBatch": "20000",
        **_DELTA,
    }


def _delta_coordinates() -> str:
    from importlib.metadata import version

    spark = ".".join(version("pyspark").split(".")[:2])
    return f"io.delta:delta-spark_{spark}_2.13:{version('delta-spark')}"


def _on_databricks() -> bool:
    return "DATABRICKS_RUNTIME_VERSION" in os.environ
