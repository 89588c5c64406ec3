"""What the log has taught before the stream begins: arrivals, returns of money, usual users."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import functions as F

from bcrlsp.control.controllers import Past
from bcrlsp.control.forecast import WEEK_HOURS, ArrivalCurve, ReturnCurve
from bcrlsp.control.limits import Limit
from bcrlsp.control.stream.settings import ControlSettings
from bcrlsp.control.watch import Sample
from bcrlsp.errors import DataError
from bcrlsp.tables import Lake

_USERS = 400


@dataclass(frozen=True)
class Knowledge:
    """arrivals, returns: see `forecast`. rate: share of face value that was redeemed, None where
    no bonus was. bonus: usual face value of one, money. notes: what could not be learned."""

    arrivals: ArrivalCurve
    returns: ReturnCurve
    rate: float | None
    bonus: float
    notes: tuple[str, ...]


def learn(lake: Lake, settings: ControlSettings, start: datetime, users: int) -> Knowledge:
    """From the `history_days` before `start`: requests where there are some, else activity."""
    first = start - timedelta(days=settings.history_days)
    notes: list[str] = []
    curve = None
    for table, column in (("requests", "request_ts"), ("activity", "event_ts")):
        times = _times(lake, table, column, first, start)
        if len(times):
            curve = ArrivalCurve.learn(times, float(times.min()) // 3600 * 3600, start.timestamp())
            if table != "requests":
                notes.append("no past requests: arrivals are expected as activity was")
            break
    if curve is None:
        curve = ArrivalCurve(np.full(WEEK_HOURS, max(users, 1) / 24.0))
        notes.append("no past requests or activity: one request a user and day is expected")
    faces, amounts, delays = _bonuses(lake, first, start, settings.grace)
    if len(faces) == 0:
        notes.append("no past bonuses: money is not expected to come back")
        return Knowledge(curve, ReturnCurve.never(), None, 1.0, tuple(notes))
    returns = ReturnCurve.learn(faces, amounts, delays, settings.life + settings.grace)
    rate = float(amounts.sum() / faces.sum())
    return Knowledge(curve, returns, rate or None, float(faces.mean()), tuple(notes))


def past_of(
    knowledge: Knowledge,
    policy: Any,
    states: NDArray[Any],
    limits: tuple[Limit, ...],
    counted: NDArray[np.bool_],
    in_expectation: bool,
) -> Past:
    """What a controller of these budgets is given. states, counted: of a sample of users."""
    value, cost = policy.evaluate(states)
    returns = knowledge.returns.in_expectation() if in_expectation else knowledge.returns
    return Past(
        knowledge.arrivals,
        returns,
        sample_of(policy, states, value, cost, counted),
        np.asarray(policy.amounts, np.float64),
        np.zeros(len(limits)),
        tuple(limit.measure for limit in limits),
    )


def sample_of(
    policy: Any,
    states: NDArray[Any],
    value: NDArray[np.float64],
    cost: NDArray[np.float64],
    counted: NDArray[np.bool_],
) -> Sample:
    """Users as the price sees them."""
    gain = value - value[:, :1]
    possible = (gain > 0) & np.asarray(policy.supported(states), bool)
    possible[:, 0] = True
    return Sample(np.where(possible, gain, -np.inf), cost, counted)


def _times(
    lake: Lake, table: str, column: str, first: datetime, stop: datetime
) -> NDArray[np.float64]:
    """Hours with requests, each as many times as it had some: their starts, seconds since 1970."""
    try:
        rows = lake.read(table)
    except DataError:
        return np.empty(0)
    here = (F.col(column) >= F.lit(first)) & (F.col(column) < F.lit(stop))
    hour = F.floor(F.unix_micros(F.col(column)) / F.lit(3.6e9)).alias("hour")
    found = rows.where(here).groupBy(hour).count().collect()
    return np.repeat(
        np.array([row["hour"] * 3600.0 for row in found]),
        np.array([row["count"] for row in found], np.int64),
    )


def _bonuses(
    lake: Lake, first: datetime, stop: datetime, grace: float
) -> tuple[NDArray[np.float64], ...]:
    """Faces, redeemed amounts and delays until the feed had them, of at most 100,000 bonuses."""
    try:
        bonuses, redemptions = lake.read("bonuses"), lake.read("redemptions")
    except DataError:
        return np.empty(0), np.empty(0), np.empty(0)
    here = (F.col("sent_ts") >= F.lit(first)) & (F.col("sent_ts") < F.lit(stop))
    sent = bonuses.where(here & (F.col("level") > 0)).select("bonus_id", "sent_ts", "amount")
    lag = F.unix_micros("ingest_ts") - F.unix_micros("redeemed_ts")
    # What was ingested long after, in a backfill, says nothing about the feed.
    seen = F.when(lag <= F.lit(grace * 1e6), F.col("ingest_ts")).otherwise(F.col("redeemed_ts"))
    back = (
        redemptions.where(F.col("redeemed_ts") < F.lit(stop))
        .groupBy("bonus_id")
        .agg(F.min("amount").alias("paid"), F.min(seen).alias("seen_ts"))
    )
    delay = (F.unix_micros("seen_ts") - F.unix_micros("sent_ts")) / F.lit(1e6)
    rows = (
        sent.join(back, "bonus_id", "left")
        .select("amount", F.coalesce("paid", F.lit(0.0)).alias("paid"), delay.alias("delay"))
        .orderBy(F.xxhash64("bonus_id"))
        .limit(100_000)
        .toArrow()
    )
    delays = rows["delay"].fill_null(0.0).to_numpy(zero_copy_only=False)
    return rows["amount"].to_numpy(), rows["paid"].to_numpy(), np.maximum(delays, 0.0)
