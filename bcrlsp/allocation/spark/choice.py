"""Which store the settings mean: files where Spark is one machine, else a Delta table."""

from pyspark.sql import SparkSession

from bcrlsp.allocation.settings import Settings
from bcrlsp.allocation.spark.delta_store import DeltaStore
from bcrlsp.allocation.spark.file_store import FileStore
from bcrlsp.allocation.spark.stores import Store
from bcrlsp.errors import UserError


def choose_store(spark: SparkSession, settings: Settings, table: str | None = None) -> Store:
    """The store that `settings.store` and `settings.location` name.

    table: path or name of the Delta table where the settings give no location. UserError where the
    workers of a cluster would not see the blocks.
    """
    kind, place = settings.store, settings.location
    if kind == "auto":
        kind = "files" if place is None and _is_one_machine(spark) else "delta"
    if kind == "files":
        if place is None and not _is_one_machine(spark):
            raise UserError(
                "allocation.search.store is files without a location, and the workers of a cluster "
                "do not see the driver's folders; give allocation.search.location a folder that "
                "all of them see, such as a volume, or set store to delta"
            )
        return FileStore(spark, place)
    if place is None and table is None:
        raise UserError(
            "the blocks of scores need a place that all workers see: give store=DeltaStore(spark, "
            "PATH or NAME), or set allocation.search.location"
        )
    return DeltaStore(spark, place or table or "")


def _is_one_machine(spark: SparkSession) -> bool:
    """Whether driver and workers are one machine and see the same folders."""
    return (spark.conf.get("spark.master", None) or "").startswith("local")
