"""The allocation that the page is about, with its certificate."""

import math
from dataclasses import dataclass, fields

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from bcrlsp.errors import DataError
from bcrlsp.report.reading import NothingToShowError, Reading, empty
from bcrlsp.report.text import count, instant, money


@dataclass(frozen=True)
class AllocatedLevel:
    """Users who get one level. amount, cost, value: sums; cost as the budget counts it."""

    level: int
    users: int
    amount: float
    cost: float
    value: float


@dataclass(frozen=True)
class Certificate:
    """What proves the allocation; see the table `certificates`."""

    run_id: str
    value: float
    bound: float
    gap: float
    prices: dict[str, float]
    spend: dict[str, float]
    limits: dict[str, float]
    passes: int
    users: int
    source_versions: dict[str, int]


@dataclass(frozen=True)
class Decision:
    """One period's allocation.

    period: its number. levels: ascending. face_value: whether every bonus is counted at its face
    value. certificate: None where the period has none. amounts: (levels,), money, face value of
    each level by the settings.
    """

    period: int
    policy_id: str
    run_id: str
    levels: tuple[AllocatedLevel, ...]
    face_value: bool
    certificate: Certificate | None
    amounts: tuple[float, ...] = ()

    @property
    def users(self) -> int:
        """Users who were decided about."""
        return sum(level.users for level in self.levels)

    @property
    def bonuses(self) -> int:
        """Users who get a bonus."""
        return sum(level.users for level in self.levels if level.level > 0)

    @property
    def spend(self) -> float:
        """Money, as the budget counts it."""
        return math.fsum(level.cost for level in self.levels)

    @property
    def value(self) -> float:
        """Expected retained periods of all users."""
        return math.fsum(level.value for level in self.levels)

    @property
    def budget(self) -> tuple[str, float] | None:
        """Name and limit of the budget, where there is exactly one and it has a limit."""
        limits = {} if self.certificate is None else self.certificate.limits
        only = next(iter(limits.items())) if len(limits) == 1 else None
        return only if only is not None and math.isfinite(only[1]) else None

    @property
    def doubt(self) -> str | None:
        """Why certificate and allocation do not belong together, if they do not."""
        if self.certificate is None:
            return "This allocation has no certificate: its run was cut short. Allocate again."
        reason = None
        if self.certificate.run_id != self.run_id:
            reason = (
                f"The certificate is of run {self.certificate.run_id}, the allocation of run "
                f"{self.run_id}"
            )
        elif self.certificate.users != self.users:
            reason = (
                f"The certificate is of {count(self.certificate.users)} users, and "
                f"{count(self.users)} have a decision of its run"
            )
        if reason is not None:
            return f"{reason}: they do not belong together. Allocate again."
        return self._other_amount

    @property
    def _other_amount(self) -> str | None:
        """A level whose bonuses are not worth what the settings say."""
        for level in self.levels:
            known = 0 <= level.level < len(self.amounts)
            face = self.amounts[level.level] * level.users if known else math.nan
            if not math.isclose(level.amount, face, rel_tol=1e-9, abs_tol=1e-9):
                said = f"{money(self.amounts[level.level])} each" if known else "no such level"
                return (
                    f"{count(level.users)} users have level {level.level} and bonuses of "
                    f"{money(level.amount)} together; by the setting amounts it is {said}. "
                    "Decisions or settings were changed since: do not send these bonuses."
                )
        return None


def decision(reading: Reading) -> Decision:
    """The allocation of the reading's period, or the newest.

    Raises DataError when a period was asked for that has no allocation, NothingToShowError when
    none was asked for and there is none.
    """
    try:
        rows = reading.table("allocations")
        index = _index(reading, rows)
    except NothingToShowError:
        if reading.period is None:
            raise
        raise _no_allocation(reading, None) from None
    chosen = rows.where(_of(reading, index))
    cost_is_amount = F.abs(F.col("cost") - F.col("amount")) <= 1e-9 * F.col("amount")
    policy_id, run_id = _run(reading, index, chosen)
    chosen = chosen.where(F.col("run_id") == run_id)
    levels = (
        chosen.groupBy("level")
        .agg(F.count("*"), F.sum("amount"), F.sum("cost"), F.sum("value"), F.min(cost_is_amount))
        .orderBy("level")
        .collect()
    )
    return Decision(
        period=index,
        policy_id=policy_id,
        run_id=run_id,
        levels=tuple(AllocatedLevel(*level[:5]) for level in levels),
        face_value=all(level[5] for level in levels),
        certificate=_certificate(reading, index, run_id),
        amounts=reading.amounts,
    )


def of_period(reading: Reading, name: str, index: int) -> DataFrame:
    """The rows of a table that are of period `index`."""
    return reading.table(name).where(_of(reading, index))


def _of(reading: Reading, index: int) -> Column:
    # The date alone prunes files; the number tells periods of one day apart.
    same_date = F.col("period") == F.lit(reading.calendar.period(index))
    return same_date & (reading.calendar.index_of(F.col("period_start")) == index)


def _index(reading: Reading, rows: DataFrame) -> int:
    number = reading.calendar.index_of(F.col("period_start"))
    newest = rows.agg(F.max(number)).collect()[0][0]
    if newest is None:
        raise empty("allocations")
    if reading.period is None:
        return int(newest)
    if not rows.where(_of(reading, reading.period)).take(1):
        raise _no_allocation(reading, int(newest))
    return reading.period


def _no_allocation(reading: Reading, newest: int | None) -> DataError:
    calendar = reading.calendar
    start = calendar.local_start(reading.period or 0)
    asked = instant(start, calendar.length)
    there = "there is none" if newest is None else f"the newest is of {reading.label(newest)}"
    return DataError(
        f"there is no allocation for --period {asked}: {there}; run `bcrlsp allocate --period "
        f"{start:%Y-%m-%dT%H:%M} --budget B` first, or leave --period out"
    )


def _run(reading: Reading, index: int, rows: DataFrame) -> tuple[str, str]:
    """Policy and run of the decisions; of two runs, which an older version left, the certified."""
    found = rows.select("policy_id", "run_id").distinct().orderBy("run_id").collect()
    if len(found) > 1:
        for row in found:
            held = _certificate(reading, index, row["run_id"])
            if held is not None and held.run_id == row["run_id"]:
                return row["policy_id"], row["run_id"]
    return found[0]["policy_id"], found[0]["run_id"]


def _certificate(reading: Reading, index: int, run_id: str) -> Certificate | None:
    """That of the run; where it has none the period's newest, which is then in doubt."""
    try:
        rows = of_period(reading, "certificates", index)
    except NothingToShowError:
        return None
    newest = rows.orderBy(F.desc(F.col("run_id") == run_id), F.desc("created_ts"), "run_id")
    held = newest.select(*(part.name for part in fields(Certificate))).take(1)
    return Certificate(**held[0].asDict()) if held else None
