"""What is right: the ledger of builds, and the rows themselves.

Every row says which inputs it was built from (`digests.Digests`), so that a period is right where
all its rows say what they would be built from now. The ledger, written after the rows, adds what
rows cannot say: that a period is rightly empty, and what it was built from. So neither a kill
between two writes nor two builds at once can make a wrong period look right.
"""

import time
from collections.abc import Container, Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal

from pyspark.sql import functions as F

from bcrlsp.errors import ConflictError
from bcrlsp.tables import TABLES
from bcrlsp.trajectories.sources import Sources
from bcrlsp.trajectories.windows import condition

Built = Literal["trajectories", "states"]

_ATTEMPTS = 20
_WAIT_SECONDS = 0.2


class Ledger:
    """The table `builds`, beside the rows that it speaks of."""

    def __init__(self, sources: Sources, feature_set: str) -> None:
        self._sources = sources
        self._feature_set = feature_set

    def right(self, table: Built, inputs: Mapping[int, str]) -> set[int]:
        """The periods whose rows are those of `inputs` (period to digest)."""
        if not inputs:
            return set()
        first, stop = min(inputs), max(inputs) + 1
        said = self.held(table, first, stop)
        if not said.keys() >= inputs.keys():
            said = {**self._empty(table, first, stop), **said}
        return {period for period, wanted in inputs.items() if said.get(period) == wanted}

    def held(self, table: Built, first: int, stop: int) -> dict[int, str | None]:
        """The inputs that rows of periods [first, stop) name, for periods that have rows.

        None where the rows of a period differ.
        """
        lake, calendar = self._sources.lake, self._sources.calendar
        lake.create(table)
        inputs = F.coalesce("inputs", F.lit(""))
        rows = (
            lake.read(table)
            .where(condition(calendar, first, stop))
            .groupBy("period_start")
            .agg(F.min(inputs).alias("low"), F.max(inputs).alias("high"))
            .withColumn("period_index", calendar.index_of(F.col("period_start")))
        )
        return {
            row["period_index"]: row["low"] if row["low"] == row["high"] else None
            for row in rows.collect()
        }

    def write(self, table: Built, inputs: Mapping[int, str], empty: Container[int]) -> None:
        """Records that periods were built from `inputs` (period to digest).

        empty: the periods that rightly have no rows. Waits for its turn when another build writes
        at once.
        """
        calendar, now = self._sources.calendar, datetime.now(UTC)
        self._merge(
            [
                (
                    table,
                    calendar.period(period),
                    calendar.start(period),
                    self._feature_set,
                    digest,
                    period in empty,
                    dict(self._sources.versions),
                    self._sources.known_at,
                    now,
                )
                for period, digest in sorted(inputs.items())
            ]
        )

    def _empty(self, table: Built, first: int, stop: int) -> dict[int, str]:
        """The inputs of periods that were built and had no rows."""
        lake, calendar = self._sources.lake, self._sources.calendar
        lake.create("builds")
        rows = lake.read("builds").where(
            (F.col("table_name") == table)
            & F.col("empty")
            & F.expr(condition(calendar, first, stop))
        )
        index = calendar.index_of(F.col("period_start"))
        return {
            row["period_index"]: row["inputs"]
            for row in rows.select(index.alias("period_index"), "inputs").collect()
        }

    def _merge(self, rows: Sequence[tuple[object, ...]]) -> None:
        lake = self._sources.lake
        frame = lake.spark.createDataFrame(rows, TABLES["builds"].schema)
        for attempt in range(_ATTEMPTS):
            try:
                lake.merge("builds", frame)
                return
            except ConflictError:
                if attempt == _ATTEMPTS - 1:
                    raise
                time.sleep(_WAIT_SECONDS * (1 + attempt))
