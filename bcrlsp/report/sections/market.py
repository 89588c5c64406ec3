"""How many users there are, how many of them come back, and what is spent on them."""

from dataclasses import dataclass
from itertools import accumulate

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from bcrlsp.report import plots, text
from bcrlsp.report.reading import NothingToShowError, Reading, empty
from bcrlsp.report.section import Content, Grid, Plot, section

_ROWS_SHOWN = 31


@dataclass(frozen=True)
class _Period:
    """One period: users who had signed up by its end, those active in it, money redeemed in it."""

    index: int
    users: int
    active: int
    spend: float | None


@section("market", title="Market", question="How many users come back?", order=10)
def market(reading: Reading) -> Content:
    """Users, active users and spend by period, from the event tables."""
    found = _periods(reading)
    active, users = sum(p.active for p in found), sum(p.users for p in found)
    spend = None if found[0].spend is None else sum(p.spend or 0.0 for p in found)
    return Content(
        headline=text.percent(active / users if users else None),
        caption=(
            "of the users are active in an average period: "
            f"{text.count(active / len(found))} of {text.count(users / len(found))}. "
            f"Bonuses worth {text.money(None if spend is None else spend / len(found))} a period "
            "are redeemed."
        ),
        plot=_plot(reading, found),
        plot_says="Lines of users and active users by period, and bars of the money redeemed.",
        grids=[_grid(reading, found)],
        notes=["The first and the last period may hold only a part of their events."],
    )


def _periods(reading: Reading) -> list[_Period]:
    activity = reading.table("activity")
    active = _by_period(reading, activity, "event_ts", F.countDistinct("user_id"))
    if not active:
        raise empty("activity")
    joined = _by_period(reading, reading.table("users"), "signup_ts", F.count("*"))
    try:
        spent = _by_period(reading, reading.table("redemptions"), "redeemed_ts", F.sum("amount"))
    except NothingToShowError:
        spent = None
    span = range(min(active), max(active) + 1)
    before = sum(number for index, number in joined.items() if index < span.start)
    totals = list(accumulate((joined.get(i, 0) for i in span), initial=before))[1:]
    return [
        _Period(
            index,
            int(total),
            int(active.get(index, 0)),
            None if spent is None else spent.get(index, 0.0),
        )
        for index, total in zip(span, totals, strict=True)
    ]


def _by_period(
    reading: Reading, rows: DataFrame, instant: str, measure: Column
) -> dict[int, float]:
    index = reading.calendar.index_of(F.col(instant))
    return dict(rows.groupBy(index.alias("index")).agg(measure).collect())


def _plot(reading: Reading, found: list[_Period]) -> Plot:
    starts = [reading.moment(p.index) for p in found]
    traces = [
        plots.line(starts, (p.users for p in found), "users", plots.GREY),
        plots.line(starts, (p.active for p in found), "active users", plots.ACCENT),
    ]
    if found[0].spend is not None:
        spend = (p.spend or 0.0 for p in found)
        traces.append(plots.bars(starts, spend, "redeemed money", plots.SOFT, yaxis="y2"))
    return plots.figure(
        traces,
        height=400,
        xaxis=plots.axis(type="date", showgrid=False, anchor="y2"),
        yaxis=plots.axis("users", domain=[0.4, 1], rangemode="tozero"),
        yaxis2=plots.axis("money", domain=[0, 0.3], rangemode="tozero"),
        hovermode="x unified",
    )


def _grid(reading: Reading, found: list[_Period]) -> Grid:
    shown = found[-_ROWS_SHOWN:]
    left = f"The last {len(shown)} of {len(found)} periods." if len(shown) < len(found) else ""
    return Grid(
        columns=["Period", "Users", "Active users", "Active", "Redeemed money"],
        rows=[
            [
                reading.label(p.index),
                text.count(p.users),
                text.count(p.active),
                text.percent(p.active / p.users if p.users else None),
                text.money(p.spend),
            ]
            for p in shown
        ],
        caption=left,
    )
