"""What the control loop did in a period: spend against its plan, prices, lag and alarms."""

from typing import Any

from pyspark.sql import functions as F

from bcrlsp.report import plots, text
from bcrlsp.report.reading import Reading, empty
from bcrlsp.report.section import Content, Grid, Plot, section

_COLOURS = (plots.ACCENT, plots.INK, plots.SOFT, plots.GREY)
_POINTS = 500

Status = dict[str, Any]


@section(
    "control",
    title="Cost control",
    question="Did the day keep to its budgets?",
    order=75,
)
def control(reading: Reading) -> Content:
    """The newest period of the control loop, or the one that is reported where it has one."""
    found = _statuses(reading)
    last = found[-1]
    names = sorted(last["out"])
    shares = {name: _share(last, name) for name in names}
    top = max(names, key=lambda name: shares[name] or 0.0)
    requests = sum(row["requests"] for row in found)
    return Content(
        headline=text.percent(shares[top]),
        caption=(
            f"of the budget {top} is redeemed or out in the period of "
            f"{reading.label(reading.calendar.index(last['period_start']))}, after "
            f"{text.plural(requests, 'request')}."
        ),
        plot=_plot(found, names),
        plot_says="Lines of redeemed and outstanding money of each budget, and of its plan.",
        grids=[_budgets(last, names, shares), _batches(found)],
        notes=[
            "Out is face value that can still be redeemed; with what is redeemed it never passes "
            "a limit. The plan is the limit, spread as requests were expected."
        ],
        warnings=[last["alarms"]] if last["alarms"] else [],
    )


def _statuses(reading: Reading) -> list[Status]:
    """Rows of control_status, in order, without what has no budget."""
    rows = reading.table("control_status")
    if reading.period is not None:
        start = reading.calendar.start(reading.period)
        mine = rows.where(F.col("period_start") == F.lit(start))
        rows = rows if mine.isEmpty() else mine
    newest = rows.agg(F.max("period_start").alias("newest"))
    same = rows.join(newest, F.col("period_start") == F.col("newest")).drop("newest")
    found = same.orderBy("event_ts", "status_ts", "batch_id").toArrow().to_pylist()
    if not found:
        raise empty("control_status")
    maps = ("prices", "limits", "redeemed", "out", "planned", "levels")
    return [row | {name: dict(row[name]) for name in maps} for row in found]


def _share(row: Status, name: str) -> float | None:
    limit = row["limits"].get(name)
    return (row["redeemed"].get(name, 0.0) + row["out"][name]) / limit if limit else None


def _plot(found: list[Status], names: list[str]) -> Plot:
    shown = found[:: max(1, len(found) // _POINTS)]
    moments = [row["event_ts"].strftime("%Y-%m-%d %H:%M:%S") for row in shown]
    traces = []
    for place, name in enumerate(names):
        colour = _COLOURS[place % len(_COLOURS)]
        used = [row["redeemed"].get(name, 0.0) + row["out"].get(name, 0.0) for row in shown]
        plan = [row["planned"].get(name, float("nan")) for row in shown]
        traces.append(plots.line(moments, used, name, colour))
        dashed = {"color": colour, "width": 1.5, "dash": "dot"}
        traces.append(plots.line(moments, plan, f"{name}, plan", colour, line=dashed))
    return plots.figure(
        traces, xaxis=plots.axis("event time, UTC"), yaxis=plots.axis("money", rangemode="tozero")
    )


def _budgets(last: Status, names: list[str], shares: dict[str, float | None]) -> Grid:
    return Grid(
        columns=["Budget", "Limit", "Redeemed", "Out", "Used", "Price"],
        rows=[
            [
                name,
                text.limit(last["limits"].get(name, float("inf"))),
                text.money(last["redeemed"].get(name, 0.0)),
                text.money(last["out"][name]),
                text.percent(shares[name]),
                text.number(last["prices"].get(name), 3),
            ]
            for name in names
        ],
    )


def _batches(found: list[Status]) -> Grid:
    levels: dict[str, int] = {}
    for row in found:
        for level, count in row["levels"].items():
            levels[level] = levels.get(level, 0) + count
    lags = sorted(row["lag_seconds"] for row in found if row["lag_seconds"] is not None)
    told = ", ".join(f"{level}: {text.count(levels[level])}" for level in sorted(levels))
    alarmed = sum(row["alarms"] is not None for row in found)
    return Grid(
        columns=["Loop", ""],
        rows=[
            ["Micro-batches", text.count(len(found))],
            ["Requests that were there before", text.count(sum(r["duplicates"] for r in found))],
            ["Levels sent", told or text.UNKNOWN],
            [
                "Seconds from request to decision, median",
                text.number(lags[len(lags) // 2] if lags else None, 3),
            ],
            ["Micro-batches with an alarm", text.count(alarmed)],
        ],
    )
