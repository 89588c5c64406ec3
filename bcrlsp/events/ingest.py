"""Events into the tables: checked, each once, what is wrong in quarantine, everything counted.

A second run over the same events leaves the same tables: whole sources replace the tables by the
same rows, others add only rows whose key is new, and a record in quarantine keeps its first date.
"""

from dataclasses import dataclass, field

from pyspark.sql import DataFrame

from bcrlsp.deliveries import clear_marks, write_whole
from bcrlsp.events.source import Events, Grid
from bcrlsp.events.validate import (
    DUPLICATE,
    GOOD,
    VERDICT,
    judge,
    quarantined,
    require_columns,
    tally,
)
from bcrlsp.tables import TABLES, Lake

# Users first and redemptions last: the others refer to them.
_ORDER = ("users", "activity", "bonuses", "redemptions")


@dataclass(frozen=True)
class TableCount:
    """What became of one table's rows.

    read = written + duplicates + the sum of quarantined (reason: rows).
    """

    read: int
    written: int
    duplicates: int = 0
    quarantined: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class IngestReport:
    """What an ingestion did: counts by table, and the source's own figures."""

    tables: dict[str, TableCount]
    detail: dict[str, float]

    @property
    def quarantined(self) -> int:
        """Rows in quarantine, all tables."""
        return sum(sum(count.quarantined.values()) for count in self.tables.values())


def ingest(lake: Lake, source: str, events: Events, grid: Grid) -> IngestReport:
    """Writes a source's events into the lake's tables.

    source: its name, which the quarantine records. DataError, before anything is written to a
    table, when its events lack a column.
    """
    for name in _ORDER:
        require_columns(name, events.table(name))
    if events.complete_until is not None and events.whole:
        clear_marks(lake)
    counts = {name: _one(lake, source, name, events, grid) for name in _ORDER}
    for name, rows in events.extra.items():
        lake.overwrite(name, rows)
    lake.create("quarantine")
    if events.complete_until is not None:
        write_whole(lake, events.complete_until)
    return IngestReport(counts, events.detail)


def _one(lake: Lake, source: str, name: str, events: Events, grid: Grid) -> TableCount:
    rows = events.table(name)
    if events.checked:
        _write(lake, name, rows, events.whole)
        written = lake.read(name).count()
        return TableCount(read=written, written=written)
    judged = judge(
        name,
        rows,
        grid,
        users=lake.read("users") if name in ("activity", "bonuses") else None,
        bonuses=lake.read("bonuses") if name == "redemptions" else None,
        known=lake.read(name) if not events.whole and lake.exists(name) else None,
        derived=name in events.derived,
    )
    found = tally(judged)
    bad = {reason: rows for reason, rows in found.items() if reason not in (GOOD, DUPLICATE)}
    if bad:
        lake.merge("quarantine", quarantined(name, judged, grid, source), update=False)
    _write(lake, name, judged.where(f"{VERDICT} = '{GOOD}'"), events.whole)
    return TableCount(
        read=sum(found.values()),
        written=found.get(GOOD, 0),
        duplicates=found.get(DUPLICATE, 0),
        quarantined=dict(sorted(bad.items())),
    )


def _write(lake: Lake, name: str, rows: DataFrame, whole: bool) -> None:
    rows = rows.select(*TABLES[name].columns)
    if whole:
        lake.overwrite(name, rows)
    else:
        lake.merge(name, rows, update=False)
