"""The quarantine of one event table: what is judged again, and what is put in and taken out."""

from dataclasses import dataclass
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from bcrlsp.events.settle import SOURCE, as_quarantine, bad_records, reasons
from bcrlsp.events.shapes import INSTANTS, VERDICT, Shape
from bcrlsp.events.source import Grid
from bcrlsp.events.validate import judge, parsed
from bcrlsp.tables import Lake, patiently

_KEYS = ["source", "reason", "record"]


@dataclass(frozen=True)
class Quarantine:
    """Rows of one event table in quarantine, as they were before this ingestion.

    held: all of them; None where there is no quarantine yet. waiting: whether some have a reason
    that lies in other rows.
    """

    lake: Lake
    shape: Shape
    grid: Grid
    source: str
    held: DataFrame | None
    waiting: bool

    @staticmethod
    def of(lake: Lake, shape: Shape, grid: Grid, source: str) -> "Quarantine":
        """The quarantine of a table, as it is now."""
        if not lake.exists("quarantine"):
            return Quarantine(lake, shape, grid, source, None, False)
        rows = lake.read("quarantine", lake.version("quarantine"))
        held = rows.where(F.col("source").endswith(f".{shape.name}"))
        waiting = not held.where(_lies_elsewhere(shape)).isEmpty()
        return Quarantine(lake, shape, grid, source, held, waiting)

    def pending(self) -> DataFrame | None:
        """Rows that are judged again: the shape's columns, and `_source`."""
        if not self.waiting:
            return None
        return self._judged().where(F.col(VERDICT).isNull()).select(*self.shape.columns, SOURCE)

    def put(self, judged: DataFrame | None, settled: DataFrame | None) -> None:
        """Adds what is bad; what is there keeps its date.

        judged: rows by themselves. settled: rows that others decided about. None: none is bad.
        """
        parts = [] if judged is None else [self._alone(judged)]
        parts += [] if settled is None else [self._settled(settled)]
        if parts:
            rows = reduce(DataFrame.unionByName, parts).dropDuplicates(_KEYS)
            patiently(lambda: self.lake.merge("quarantine", rows, update=False))

    def clear(self, settled: DataFrame) -> None:
        """Takes out the rows that were judged again, and are in the table now or bad otherwise."""
        if not self.waiting:
            return
        again = (
            self._judged()
            .where(F.col(VERDICT).isNull())
            .select(F.col(SOURCE).alias("source"), "reason", F.col("_was").alias("record"))
        )
        self._remove(again.join(self._settled(settled).select(*_KEYS), _KEYS, "left_anti"))

    def keep_only(self, judged: DataFrame, settled: DataFrame) -> None:
        """Takes out all that is not bad now: for sources that give all events there are."""
        if self.held is not None:
            now = self._alone(judged).unionByName(self._settled(settled)).select(*_KEYS)
            self._remove(self.held.select(*_KEYS).join(now, _KEYS, "left_anti"))

    def _alone(self, judged: DataFrame) -> DataFrame:
        bad = judged.where(F.col(VERDICT).isNotNull())
        named = bad.withColumn(SOURCE, F.lit(f"{self.source}.{self.shape.name}"))
        return as_quarantine(named, INSTANTS[self.shape.name], self.grid.calendar)

    def _settled(self, settled: DataFrame) -> DataFrame:
        instant = INSTANTS[self.shape.name]
        return bad_records(self.shape, settled, instant, self.grid.calendar, self.source)

    def _judged(self) -> DataFrame:
        """The rows with a reason that lies elsewhere, judged by themselves as if they came now."""
        if self.held is None:
            raise ValueError("there is no quarantine")
        texts = self.held.where(_lies_elsewhere(self.shape)).select(
            F.col("source").alias(SOURCE),
            "reason",
            F.col("record").alias("_was"),
            parsed(self.shape, F.col("record")).alias("_fields"),
        )
        rows = texts.select("_fields.*", SOURCE, "reason", "_was")
        return judge(self.shape.name, rows, self.grid, keep=(SOURCE, "reason", "_was"))

    def _remove(self, keys: DataFrame) -> None:
        if not keys.isEmpty():
            patiently(lambda: self.lake.remove("quarantine", keys))


def _lies_elsewhere(shape: Shape) -> Column:
    return F.col("reason").isin(*reasons(shape))
