"""What is right: the ledger of builds, and the rows themselves.

Every row says which inputs it was built from (`digests.Digests`), so that a period is right where
all its rows say what they would be built from now. The ledger, written after the rows, adds what
rows cannot say: that a period is rightly empty, and what it was built from. So neither a kill
between two writes nor two builds at once can make a wrong period look right.
"""

import time
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Held:
    """What the rows of a period say of themselves.

    inputs: None where they differ. feature_set: its hash.
    """

    inputs: str | None
    feature_set: str


@dataclass(frozen=True)
class Review:
    """What a table holds of some periods.

    right: those whose rows are what they would be now. other_sets: how many were built with another
    feature set than today's, by its hash.
    """

    right: set[int]
    other_sets: dict[str, int]


class Ledger:
    """The table `builds`, beside the rows that it speaks of."""

    def __init__(self, sources: Sources, feature_set: str) -> None:
        self._sources = sources
        self._feature_set = feature_set

    def review(self, table: Built, inputs: Mapping[int, str]) -> Review:
        """What the table holds of the periods of `inputs` (period to digest)."""
        if not inputs:
            return Review(set(), {})
        first, stop = min(inputs), max(inputs) + 1
        held = self.held(table, first, stop)
        said = {period: of.inputs for period, of in held.items()}
        if not said.keys() >= inputs.keys():
            said = {**self._empty(table, first, stop), **said}
        right = {period for period, wanted in inputs.items() if said.get(period) == wanted}
        sets = Counter(held[period].feature_set for period in held.keys() & inputs.keys())
        return Review(right, {name: n for name, n in sets.items() if name != self._feature_set})

    def held(self, table: Built, first: int, stop: int) -> dict[int, Held]:
        """What the rows of periods [first, stop) say, for periods that have rows."""
        lake, calendar = self._sources.lake, self._sources.calendar
        lake.create(table)
        inputs = F.coalesce("inputs", F.lit(""))
        rows = (
            lake.read(table)
            .where(condition(calendar, first, stop))
            .groupBy("period_start")
            .agg(
                F.min(inputs).alias("low"),
                F.max(inputs).alias("high"),
                F.coalesce(F.min("feature_set"), F.lit("unknown")).alias("feature_set"),
            )
            .withColumn("period_index", calendar.index_of(F.col("period_start")))
        )
        return {
            row["period_index"]: Held(
                row["low"] if row["low"] == row["high"] else None, row["feature_set"]
            )
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
                    self._sources.settings.rules,
                )
                for period, digest in sorted(inputs.items())
            ]
        )

    def amend(self, table: Built, inputs: Mapping[int, str]) -> None:
        """Records periods that are right, where the ledger says other inputs or nothing of them.

        A run that was killed between the rows and the ledger left them so. inputs: period to
        digest, of right periods alone.
        """
        if not inputs:
            return
        said = self._entries(table, min(inputs), max(inputs) + 1)
        # Only the ledger can say that a period is rightly empty: one that is right and not in it
        # under these inputs has rows.
        stale = {p: digest for p, digest in inputs.items() if said.get(p, ("", False))[0] != digest}
        if stale:
            self.write(table, stale, empty=())

    def _empty(self, table: Built, first: int, stop: int) -> dict[int, str]:
        """The inputs of periods that were built and had no rows."""
        entries = self._entries(table, first, stop)
        return {period: inputs for period, (inputs, empty) in entries.items() if empty}

    def _entries(self, table: Built, first: int, stop: int) -> dict[int, tuple[str, bool]]:
        """Inputs of the periods that were recorded, and whether they had no rows."""
        lake, calendar = self._sources.lake, self._sources.calendar
        lake.create("builds")
        rows = lake.read("builds").where(
            (F.col("table_name") == table) & F.expr(condition(calendar, first, stop))
        )
        index = calendar.index_of(F.col("period_start"))
        return {
            row["period_index"]: (row["inputs"], row["empty"])
            for row in rows.select(index.alias("period_index"), "inputs", "empty").collect()
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
