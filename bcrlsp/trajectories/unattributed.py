"""Redeemed money that is in no row's cost: counted, so that it never goes unseen."""

from dataclasses import dataclass

from pyspark.sql import functions as F

from bcrlsp.trajectories.sources import Sources


@dataclass(frozen=True)
class Unattributed:
    """Redemptions that no row's cost holds: how many (rows), and their money (amount)."""

    rows: int
    amount: float


def find_unattributed(sources: Sources, window: range) -> Unattributed:
    """The redemptions of the periods in `window` that are no cost of any row.

    Their bonus is not known, or another user's, or older than the attribution window, or of a
    period in which its user has no row.
    """
    calendar, reach = sources.calendar, sources.settings.attribution
    first, stop = window.start, window.stop
    bonuses = sources.between("bonuses", first - reach, stop).select(
        "bonus_id", F.col("user_id").alias("_user"), F.col("period_index").alias("_sent")
    )
    entry = (calendar.index_of(F.col("signup_ts")) + 1).alias("_entry")
    users = sources.users(stop).select(F.col("user_id").alias("_user"), entry)
    redemptions = sources.between("redemptions", first, stop).dropDuplicates(
        ["bonus_id", "user_id"]
    )
    matched = redemptions.join(bonuses.dropDuplicates(["bonus_id"]), "bonus_id", "left").join(
        users.dropDuplicates(["_user"]), "_user", "left"
    )
    delay = F.col("period_index") - F.col("_sent")
    counted = (
        (F.col("_user") == F.col("user_id"))
        & delay.between(0, reach)
        & (F.col("_entry") <= F.col("_sent"))
    )
    lost = matched.where(~F.coalesce(counted, F.lit(False)))
    found = lost.agg(F.count("*"), F.sum("amount")).collect()[0]
    return Unattributed(int(found[0]), float(found[1] or 0.0))
