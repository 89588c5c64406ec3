"""Writing a period's decisions: whole or not at all, and one of two runs alone.

Three tables tell one story: the certificate and the frontier of a run are written first, under the
run's own key, and show nothing by themselves. The decisions follow in one transaction: with it, and
not before, the period's decisions are those of the run, and its certificate is there already. A run
that dies before leaves the decisions that there were; nothing mixes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from bcrlsp.decisions.runs import runs_of
from bcrlsp.errors import ConflictError
from bcrlsp.periods import Calendar
from bcrlsp.tables import TABLES, Guard, Lake, as_rows, patiently
from bcrlsp.trajectories.windows import condition


@dataclass(frozen=True, eq=False)
class Record:
    """What a run writes about one period.

    period: its number. run_id: of the run. decisions: rows of `allocations`. certificate: a row of
    `certificates`; created_ts is set here. frontier: rows of `frontiers`. seen: the runs that the
    period's decisions were of when the run was planned (`runs_of`).
    """

    period: int
    run_id: str
    decisions: DataFrame
    certificate: Mapping[str, Any]
    frontier: Sequence[Mapping[str, Any]]
    seen: frozenset[str]


def commit(lake: Lake, calendar: Calendar, record: Record) -> None:
    """Writes frontier, certificate and decisions; the same again changes no row.

    ConflictError where another run has decided the period since this one was planned; then its
    decisions and certificate stay, and nothing of this run.
    """
    lake.create("allocations")
    where = condition(calendar, record.period, record.period + 1)
    of_run = f"{where} AND run_id = '{record.run_id}'"
    if not _is_free(lake, calendar, record, lake.version("allocations")):
        raise _beaten(calendar, record.period)
    earlier = _certificate(lake, of_run)
    patiently(lambda: lake.replace("frontiers", _rows(lake, "frontiers", record.frontier), of_run))
    row = {**record.certificate, "created_ts": _created(lake, where, record.run_id)}
    patiently(lambda: lake.merge("certificates", _rows(lake, "certificates", [row])))
    try:
        patiently(lambda: _switch(lake, calendar, record, where))
    except _BeatenError:
        kept = [] if earlier is None else [earlier]
        patiently(lambda: lake.replace("certificates", _rows(lake, "certificates", kept), of_run))
        if earlier is None:
            patiently(lambda: lake.replace("frontiers", _rows(lake, "frontiers", []), of_run))
        raise _beaten(calendar, record.period) from None


class _BeatenError(Exception):
    """Another run has decided the period."""


def _switch(lake: Lake, calendar: Calendar, record: Record, where: str) -> None:
    """The one transaction with which the period's decisions are those of the run."""
    version = lake.version("allocations")
    if not _is_free(lake, calendar, record, version):
        raise _BeatenError
    key = f"allocate {calendar.start(record.period).isoformat()}"
    lake.replace("allocations", record.decisions, where, guard=Guard(key, version))


def _is_free(lake: Lake, calendar: Calendar, record: Record, version: int) -> bool:
    """Whether the period is as it was when the run was planned, or the run's own already."""
    found = runs_of(lake, calendar, record.period, version)
    return found in (record.seen, frozenset({record.run_id}))


def _created(lake: Lake, where: str, run_id: str) -> datetime:
    """Now, so that the newest certificate is that of the decisions; or what it was already."""
    newest = (
        lake.read("certificates")
        .where(where)
        .orderBy(F.desc("created_ts"))
        .select("run_id", "created_ts")
        .first()
        if lake.exists("certificates")
        else None
    )
    if newest is not None and newest["run_id"] == run_id:
        created: datetime = newest["created_ts"]
        return created
    return datetime.now(UTC)


def _certificate(lake: Lake, where: str) -> Mapping[str, Any] | None:
    if not lake.exists("certificates"):
        return None
    row = lake.read("certificates").where(where).select(*TABLES["certificates"].columns).first()
    return None if row is None else row.asDict()


def _rows(lake: Lake, name: str, rows: Sequence[Mapping[str, Any]]) -> DataFrame:
    return as_rows(lake.spark, name, rows)


def _beaten(calendar: Calendar, period: int) -> ConflictError:
    return ConflictError(
        f"another run allocated {calendar.start(period):%Y-%m-%dT%H:%M} at the same time: its "
        "decisions and certificate stay, nothing of this run was written; run again if they are "
        "not the ones that you want"
    )
