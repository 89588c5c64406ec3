"""Windows of periods: as SQL conditions on tables, and as runs of neighbours."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from pyspark.sql import functions as F

from bcrlsp.errors import DataError
from bcrlsp.periods import Calendar
from bcrlsp.tables import Lake


def newest_period(lake: Lake, calendar: Calendar) -> int:
    """Number of the last period that has trajectories. DataError where there is none.

    Spark counts it: a timestamp that is collected is local to the machine.
    """
    newest = lake.read("trajectories").agg(calendar.index_of(F.max("period_start"))).first()
    if newest is None or newest[0] is None:
        raise DataError("the table trajectories is empty; `bcrlsp trajectories` fills it")
    return int(newest[0])


def condition(calendar: Calendar, first: int, stop: int) -> str:
    """The SQL condition that rows of periods [first, stop) meet, and no others.

    Only the partition column is used where it suffices: Delta then replaces whole files.
    """
    where = dates(calendar, first, stop)
    if calendar.length >= timedelta(days=1):
        return where
    return (
        f"{where} AND period_start >= {_literal(calendar.start(first))} "
        f"AND period_start < {_literal(calendar.start(stop))}"
    )


def dates(calendar: Calendar, first: int, stop: int) -> str:
    """The SQL condition on the partition column that periods [first, stop) meet.

    Others meet it, too, where several periods start on one day.
    """
    begin, last = calendar.period(first), calendar.period(stop - 1)
    return f"period >= DATE'{begin}' AND period <= DATE'{last}'"


def runs(periods: Iterable[int], longest: int) -> Iterator[range]:
    """Neighbouring periods put together into ranges of at most `longest`, in order."""
    current: range | None = None
    for period in sorted(periods):
        if current is not None and period == current.stop and len(current) < longest:
            current = range(current.start, period + 1)
            continue
        if current is not None:
            yield current
        current = range(period, period + 1)
    if current is not None:
        yield current


def _literal(instant: datetime) -> str:
    return f"TIMESTAMP'{instant:%Y-%m-%d %H:%M:%S}Z'"
