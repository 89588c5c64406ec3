"""Small results as rows for a table, and a number for a row's values."""

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


def fingerprint(table: str, prefix: str = "", other: Mapping[str, str] | None = None) -> str:
    """SQL for the 64-bit hash of a row of `table`: it changes with any of its columns.

    prefix: what stands before each column's name. other: column to the name that it has here.
    """
    names = (f"{prefix}{(other or {}).get(name, name)}" for name in TABLES[table].columns)
    return f"xxhash64({', '.join(names)})"
