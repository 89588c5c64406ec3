"""Small results as rows for a table."""

from collections.abc import Iterable, Mapping
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from bcrlsp.tables.schemas import TABLES


def as_rows(spark: SparkSession, table: str, rows: Iterable[Mapping[str, Any]]) -> DataFrame:
    """`rows` (column to value) as a DataFrame with the columns of `table`."""
    schema = TABLES[table].schema
    return spark.createDataFrame(
        [tuple(row[name] for name in schema.names) for row in rows], schema
    )
