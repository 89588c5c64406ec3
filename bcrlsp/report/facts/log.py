"""The trajectories in a few numbers: what the logged policy did, level by level."""

from dataclasses import dataclass

from pyspark.sql import functions as F

from bcrlsp.report.reading import Reading, empty


@dataclass(frozen=True)
class LoggedLevel:
    """Decisions for one level.

    decisions: how many. reward: mean a decision. weighted_reward: mean over everybody, had all of
    them got this level: Σ r/p / Σ 1/p over the decisions whose propensity p is known (Hájek 1971),
    None where none is. cost: money a decision. known: decisions with a propensity.
    least, mean: of these propensities.
    """

    level: int
    decisions: int
    reward: float
    weighted_reward: float | None
    cost: float
    known: int
    least: float | None
    mean: float | None


@dataclass(frozen=True)
class Log:
    """levels: ascending. users, periods: distinct. first, last: numbers of periods.

    binary: whether every reward is 0 or 1, so that its mean is a rate.
    """

    levels: tuple[LoggedLevel, ...]
    users: int
    periods: int
    first: int
    last: int
    binary: bool

    @property
    def decisions(self) -> int:
        """Rows of the table."""
        return sum(level.decisions for level in self.levels)

    @property
    def reward(self) -> float:
        """Mean reward of a decision."""
        return sum(level.reward * level.decisions for level in self.levels) / self.decisions

    @property
    def cost(self) -> float:
        """Money spent a decision."""
        return sum(level.cost * level.decisions for level in self.levels) / self.decisions

    @property
    def known(self) -> float:
        """Share of decisions whose propensity was logged."""
        return sum(level.known for level in self.levels) / self.decisions

    def share(self, level: int) -> float:
        """Share of the decisions that are for `level`."""
        return sum(held.decisions for held in self.levels if held.level == level) / self.decisions


def log(reading: Reading) -> Log:
    """What the table `trajectories` says; NothingToShowError where it is absent or empty."""
    rows = reading.table("trajectories")
    index = reading.calendar.index_of(F.col("period_start"))
    size = rows.agg(
        F.countDistinct("user_id"),
        F.countDistinct("period_start"),
        F.min(index),
        F.max(index),
        F.min(F.col("reward").isin(0.0, 1.0)),
    ).first()
    if size is None or size[0] == 0:
        raise empty("trajectories")
    inverse = 1 / F.col("propensity")
    levels = (
        rows.groupBy("level")
        .agg(
            F.count("*"),
            F.avg("reward"),
            F.sum(F.col("reward") * inverse) / F.sum(inverse),
            F.avg("cost"),
            F.count("propensity"),
            F.min("propensity"),
            F.avg("propensity"),
        )
        .orderBy("level")
        .collect()
    )
    return Log(tuple(LoggedLevel(*level) for level in levels), *size)
