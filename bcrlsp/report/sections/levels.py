"""Who gets how much: the allocation beside the log."""

from bcrlsp.report import plots, text
from bcrlsp.report.facts.decision import Decision, decision
from bcrlsp.report.facts.log import Log, log
from bcrlsp.report.labels import level_name
from bcrlsp.report.reading import NothingToShowError, Reading
from bcrlsp.report.section import Content, Grid, Plot, section


@section("levels", title="Spend by level", question="Who gets how much?", order=50)
def levels(reading: Reading) -> Content:
    """Users and money at each level, allocated and as the log would have it for as many users."""
    chosen = reading.fact(decision)
    try:
        logged = reading.fact(log)
    except NothingToShowError:
        logged = None
    before = None if logged is None else 1 - logged.share(0)
    return Content(
        headline=text.percent(chosen.bonuses / chosen.users),
        caption=(
            f"of the users get a bonus: {text.count(chosen.bonuses)} of "
            f"{text.count(chosen.users)}. In the log it is {text.percent(before)} of the decisions."
        ),
        plot=_plot(reading, chosen, logged),
        plot_says="Bars of users and of money by bonus level, allocated and as logged.",
        grids=[_grid(reading, chosen, logged)],
        notes=_notes(chosen, logged),
    )


def _table(chosen: Decision, logged: Log | None) -> list[tuple[int, int, float, float, float]]:
    """Level, users and money allocated, users and money as logged (nan: unknown)."""
    new = {held.level: held for held in chosen.levels}
    old = {} if logged is None else {held.level: held for held in logged.levels}
    rows = []
    for level in sorted(new.keys() | old.keys()):
        users, cost = (new[level].users, new[level].cost) if level in new else (0, 0.0)
        if logged is None:
            rows.append((level, users, cost, float("nan"), float("nan")))
            continue
        expected = chosen.users * logged.share(level)
        money = expected * old[level].cost if level in old else 0.0
        rows.append((level, users, cost, expected, money))
    return rows


def _plot(reading: Reading, chosen: Decision, logged: Log | None) -> Plot:
    rows = _table(chosen, logged)
    names = [level_name(reading, row[0]) for row in rows]
    traces = [
        plots.bars(names, (row[1] for row in rows), "allocated", plots.ACCENT),
        plots.bars(
            names, (row[2] for row in rows), "money", plots.ACCENT, yaxis="y2", showlegend=False
        ),
    ]
    if logged is not None:
        traces[1:1] = [plots.bars(names, (row[3] for row in rows), "as logged", plots.GREY)]
        traces.append(
            plots.bars(
                names, (row[4] for row in rows), "money", plots.GREY, yaxis="y2", showlegend=False
            )
        )
    return plots.figure(
        traces,
        height=440,
        barmode="group",
        xaxis=plots.axis(type="category", showgrid=False, anchor="y2"),
        yaxis=plots.axis("users", domain=[0.55, 1], rangemode="tozero"),
        yaxis2=plots.axis("money", domain=[0, 0.43], rangemode="tozero"),
    )


def _grid(reading: Reading, chosen: Decision, logged: Log | None) -> Grid:
    rows = [
        [
            level_name(reading, level),
            text.count(users),
            text.money(cost),
            text.count(expected),
            text.money(money),
        ]
        for level, users, cost, expected, money in _table(chosen, logged)
    ]
    before = None if logged is None else chosen.users * logged.cost
    everybody = None if logged is None else chosen.users
    total = [text.count(chosen.users), text.money(chosen.spend)]
    rows.append(["All", *total, text.count(everybody), text.money(before)])
    return Grid(
        columns=["Level", "Users", "Money", "Users as logged", "Money as logged"], rows=rows
    )


def _notes(chosen: Decision, logged: Log | None) -> list[str]:
    counted = (
        "its face value, redeemed or not" if chosen.face_value else "what it is expected to cost"
    )
    notes = [f"The allocation counts each bonus at {counted}."]
    if logged is not None:
        notes.append(
            "As logged: the log's shares of decisions, for as many users, and the money that was "
            "really redeemed."
        )
    return notes
