"""Rows that are used several times, computed once where the service can keep them."""

from collections.abc import Iterator
from contextlib import contextmanager

from pyspark.errors import PySparkException
from pyspark.sql import DataFrame


class Keeper:
    """Keeps rows while an ingestion lasts; where that is not offered they are computed anew."""

    def __init__(self) -> None:
        self._kept: list[DataFrame] = []

    def keep(self, rows: DataFrame) -> DataFrame:
        """The rows, which from their first use on are in memory and on disk."""
        try:
            kept = rows.persist()
        except PySparkException:  # serverless compute keeps nothing
            return rows
        self._kept.append(kept)
        return kept

    def release(self) -> None:
        """Lets all go."""
        for rows in self._kept:
            rows.unpersist()
        self._kept.clear()


@contextmanager
def keeping() -> Iterator[Keeper]:
    """A keeper that lets go at the end, however that comes."""
    keeper = Keeper()
    try:
        yield keeper
    finally:
        keeper.release()
