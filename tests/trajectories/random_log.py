"""A small random log, kept as plain Python rows, and its trajectories by the letter."""

from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from bcrlsp.deliveries import FEEDS, write_marks
from bcrlsp.features import MEMORY, FeatureSet, Records
from bcrlsp.periods import Calendar
from bcrlsp.tables import TABLES, Lake
from bcrlsp.trajectories import Settings

AMOUNTS = (0.0, 1.0, 2.5)
PERIODS = 40
WINDOW = range(28, PERIODS)
"""Periods of the shared log, and those of them that are built."""


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

    def write(self, lake: Lake, until: datetime | None = None) -> None:
        """until: where every feed is marked as complete; None: no mark."""
        if until is not None:
            write_marks(lake, dict.fromkeys(FEEDS, until))
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


def by_the_letter(
    log: Log, how: Settings, features: FeatureSet, length: int
) -> list[dict[str, Any]]:
    """The rows of all periods, straight from the definitions, user by user."""
    calendar, out = features.calendar, []
    for user, signup, segment, _ in sorted(log.users):
        floor = calendar.index(signup)
        entry = floor + 1
        events, amount = defaultdict(int), defaultdict(float)
        for _, at, _, value, _ in {row for row in log.activity if row[0] == user}:
            events[calendar.index(at)] += 1
            amount[calendar.index(at)] += value
        sent = defaultdict(list)
        for bonus, _, at, level, _, propensity, _, _ in {r for r in log.bonuses if r[1] == user}:
            sent[calendar.index(at)].append((bonus, level, propensity))
        level_of = {p: max(level for _, level, _ in s) for p, s in sent.items()}
        redeemed = {
            row[0]: (calendar.index(row[2]), row[3]) for row in log.redemptions if row[1] == user
        }
        for period in range(max(entry, 0), length):
            carry = features.init(1)
            for past in range(max(floor, period - MEMORY), period):
                happened = Records(
                    np.array([True]), np.array([events[past]]), np.array([level_of.get(past, 0)])
                )
                carry = features.update(carry, happened)
            window = [period + how.reward.after + k for k in range(how.reward.within)]
            reward = {
                "active": float(any(events[p] for p in window)),
                "count": float(sum(events[p] for p in window)),
                "amount": sum(amount[p] for p in window),
            }[how.reward.kind]
            cost = 0.0
            for bonus, _, _ in sent[period]:
                if bonus in redeemed and 0 <= redeemed[bonus][0] - period <= how.attribution:
                    cost += redeemed[bonus][1]
            alone = len(sent[period]) == 1
            out.append(
                {
                    "user_id": user,
                    "period_start": calendar.start(period),
                    "period": calendar.period(period),
                    "step": period - entry,
                    "state": features.features(carry, period)[0].tolist(),
                    "level": level_of.get(period, 0),
                    "reward": reward,
                    "cost": cost,
                    "propensity": sent[period][0][2] if alone else None,
                    "terminal": False,
                    "segment": segment,
                    "feature_set": features.hash,
                    "inputs": f"in-{period}",
                    "conflicts": max(len(sent[period]) - 1, 0),
                }
            )
    return out
