"""Which run a period's decisions are of, and the decisions that have their certificate."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from bcrlsp.periods import Calendar
from bcrlsp.tables import Lake
from bcrlsp.trajectories.windows import condition


def decisions(lake: Lake, calendar: Calendar, period: int) -> DataFrame | None:
    """The decisions of a period, rows of `allocations`; None where there are none to be trusted.

    Only those of a run that has its certificate, whole, and of one run alone.
    """
    run = certified_run(lake, calendar, period)
    if run is None:
        return None
    return lake.read("allocations").where(condition(calendar, period, period + 1))


def certified_run(lake: Lake, calendar: Calendar, period: int) -> str | None:
    """The run whose decisions a period has; None unless they are of one run with a certificate."""
    if not lake.exists("allocations") or not lake.exists("certificates"):
        return None
    where = condition(calendar, period, period + 1)
    found = (
        lake.read("allocations").where(where).groupBy("run_id").agg(F.count("*")).limit(2).collect()
    )
    if len(found) != 1:
        return None
    run, users = found[0]
    named = (F.col("run_id") == run) & (F.col("users") == users)
    held = lake.read("certificates").where(where).where(named)
    return str(run) if held.take(1) else None


def runs_of(
    lake: Lake, calendar: Calendar, period: int, version: int | None = None
) -> frozenset[str]:
    """The runs that the rows of a period in `allocations` are of: one, or none yet.

    version: of the table; None: the newest.
    """
    if not lake.exists("allocations"):
        return frozenset()
    where = condition(calendar, period, period + 1)
    rows = lake.read("allocations", version).where(where).select("run_id").distinct()
    return frozenset(row["run_id"] for row in rows.collect())
