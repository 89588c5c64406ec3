"""A small random log, drawn and kept as plain Python rows, and its tables."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from bcrlsp import periods
from bcrlsp.features import FeatureSet, default_feature_set
from bcrlsp.periods import Calendar
from bcrlsp.tables import TABLES, Lake

AMOUNTS = (0.0, 1.0, 2.5)


@dataclass(frozen=True)
class Log:
    """Rows of the event tables, in the order of their columns."""

    activity: list[tuple[Any, ...]] = field(default_factory=list)
    bonuses: list[tuple[Any, ...]] = field(default_factory=list)
    redemptions: list[tuple[Any, ...]] = field(default_factory=list)
    users: list[tuple[Any, ...]] = field(default_factory=list)

    def plus(self, **more: list[tuple[Any, ...]]) -> "Log":
        return replace(self, **{name: getattr(self, name) + rows for name, rows in more.items()})

    def before(self, instant: datetime) -> "Log":
        """What had happened before `instant`."""
        column = {"activity": 1, "bonuses": 2, "redemptions": 2, "users": 1}
        return Log(
            **{
                name: [row for row in getattr(self, name) if row[at] < instant]
                for name, at in column.items()
            }
        )

    def write(self, lake: Lake) -> None:
        for name in ("activity", "bonuses", "redemptions", "users"):
            frame = lake.spark.createDataFrame(getattr(self, name), TABLES[name].schema)
            lake.overwrite(name, frame)


def draw(calendar: Calendar, users: int, length: int, seed: int) -> Log:
    """A log of `users` over periods 0 to length - 1; some sign up late, some inside a period."""
    rng = np.random.default_rng(seed)
    log = Log()
    hour = calendar.length / 24

    def known(instant: datetime) -> datetime:
        return instant + timedelta(minutes=5)

    for number in range(users):
        user = f"user-{number}"
        late = rng.random() < 0.4
        entry = int(rng.integers(0, length)) if late else -3
        signup = calendar.start(entry) + (hour * int(rng.integers(0, 3)) if late else 0 * hour)
        log.users.append((user, signup, f"segment-{number % 3}", known(signup)))
        rate, bonus_rate = rng.uniform(0.05, 0.9, 2)
        for period in range(max(entry, 0), length):
            start = calendar.start(period)
            level = int(rng.integers(1, len(AMOUNTS))) if rng.random() < bonus_rate else 0
            bonus = f"bonus-{number}-{period}"
            if rng.random() < 0.95:
                propensity = None if rng.random() < 0.1 else float(rng.uniform(0.1, 1))
                log.bonuses.append(
                    (bonus, user, start, level, AMOUNTS[level], propensity, None, known(start))
                )
            else:
                level = 0
            for count in range(int(rng.poisson(rate))):
                at = start + hour * int(rng.integers(1, 20)) + timedelta(seconds=count)
                log.activity.append((user, at, "open", float(rng.integers(1, 9)), known(at)))
                if count == 0 and level and rng.random() < 0.6:
                    at = at + calendar.length * int(rng.integers(0, 3))
                    log.redemptions.append((bonus, user, at, AMOUNTS[level], known(at)))
    return log


@pytest.fixture
def calendar() -> Calendar:
    return periods.Settings().calendar()


@pytest.fixture
def feature_set(calendar: Calendar) -> FeatureSet:
    return default_feature_set(AMOUNTS, calendar)


@pytest.fixture
def rows_of() -> Callable[..., list[tuple[Any, ...]]]:
    """All rows of a table, sorted, without the named columns; lists and bytes as they are."""

    def rows(lake: Lake, table: str, *but: str) -> list[tuple[Any, ...]]:
        frame = lake.read(table).drop(*but)
        found = [
            tuple(tuple(v) if isinstance(v, list) else v for v in row) for row in frame.collect()
        ]
        return sorted(found, key=repr)

    return rows
