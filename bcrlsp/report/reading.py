"""What the sections read: tables pinned to one version each, and small results made once."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

from pyspark.sql import DataFrame

from bcrlsp.errors import BcrlspError, DataError
from bcrlsp.periods import Calendar
from bcrlsp.report.text import instant
from bcrlsp.tables import MADE_BY, TABLES, Lake
from bcrlsp.tables.unreadable import half_there

T = TypeVar("T")


class NothingToShowError(BcrlspError):
    """A section has nothing to show; the message is one line that says what would fill it."""


class Reading:
    """One look at a lake, on behalf of one page.

    period: number of the period whose allocation is reported; None: the newest there is.
    amounts: (levels,), money, face value of each level.
    source: what the events are, in words.
    """

    def __init__(
        self,
        lake: Lake,
        calendar: Calendar,
        *,
        period: int | None,
        amounts: Sequence[float],
        source: str,
    ) -> None:
        self.calendar = calendar
        self.period = period
        self.amounts = tuple(amounts)
        self.source = source
        self.versions: dict[str, int] = {}
        self._lake = lake
        self._tables: dict[str, DataFrame] = {}
        self._facts: dict[Callable[[Reading], Any], Any] = {}

    def table(self, name: str) -> DataFrame:
        """The table, at the version that it had when the page first asked for it.

        So all sections see the same rows, whoever writes meanwhile. NothingToShowError where there
        is no such table; DataError where its files are there and it cannot be read.
        """
        if name not in self._tables:
            if not self._lake.exists(name):
                if half_there(self._lake, name):
                    raise DataError(
                        f"{self._lake.location(name)} has files but is no Delta table that can be "
                        "read; check lake.root, or restore the table"
                    )
                raise NothingToShowError(f"There is no table {name} yet; {MADE_BY[name]} makes it.")
            held = self._lake.spark.table(self._lake.identifier(name)).columns
            lacking = [key for key in TABLES[name].keys if key not in held]
            if lacking:
                raise DataError(
                    f"{self._lake.identifier(name)} is another table than ours: it lacks "
                    f"{', '.join(lacking)} and has {', '.join(held)}; check lake.root"
                )
            self.versions[name] = self._lake.version(name)
            self._tables[name] = self._lake.read(name, self.versions[name])
        return self._tables[name]

    def fact(self, compute: Callable[["Reading"], T]) -> T:
        """What `compute` finds in this reading; computed once a page."""
        if compute not in self._facts:
            self._facts[compute] = compute(self)
        return cast(T, self._facts[compute])

    def label(self, index: int) -> str:
        """Name of period `index`, as shown."""
        return instant(self.calendar.local_start(index), self.calendar.length)

    def moment(self, index: int) -> str:
        """Start of period `index`, local, as the axis of a plot takes it."""
        return self.calendar.local_start(index).strftime("%Y-%m-%d %H:%M")


def require_lake(lake: Lake) -> None:
    """DataError where there is not one table: that is no lake of ours, and nothing to report on."""
    if not any(lake.exists(name) or half_there(lake, name) for name in TABLES):
        raise DataError(
            f"there is no table to report on at {lake.place}; check lake.root (or lake.catalog and "
            "lake.schema), or fill it: `bcrlsp demo` does"
        )


def empty(name: str) -> NothingToShowError:
    """The error for a table without rows."""
    return NothingToShowError(f"The table {name} is empty; {MADE_BY[name]} fills it.")
