"""What the log holds to learn from: decisions, outcomes, propensities, and what was refused."""

from pyspark.sql import functions as F

from bcrlsp.report import plots, text
from bcrlsp.report.facts.feeds import feeds, told
from bcrlsp.report.facts.log import Log, LoggedLevel, log
from bcrlsp.report.labels import level_name
from bcrlsp.report.reading import NothingToShowError, Reading
from bcrlsp.report.section import Content, Grid, Plot, section
from bcrlsp.trajectories.completeness import lagging, warned


@section(
    "trajectories",
    title="Trajectories",
    question="What is there to learn from?",
    order=20,
)
def trajectories(reading: Reading) -> Content:
    """Rows, rewards, costs and propensities by level; quarantined rows by reason."""
    found = reading.fact(log)
    span = f"{reading.label(found.first)} to {reading.label(found.last)}"
    return Content(
        headline=text.count(found.decisions),
        caption=(
            f"decisions about {text.plural(found.users, 'user')} in "
            f"{text.plural(found.periods, 'period')}, {span}. Mean reward "
            f"{_reward(found, found.reward)}, cost {text.money(found.cost)} a decision; "
            f"{text.percent(found.known)} have a known propensity."
        ),
        plot=_plot(reading, found),
        plot_says="Bars of the mean reward by bonus level, as logged and weighted to all users.",
        grids=[_levels(reading, found), *_feeds(reading), *_quarantine(reading)],
        notes=_notes(found),
        warnings=[*_unseen(reading, found), *_doubts(reading)],
    )


def _reward(found: Log, value: float | None) -> str:
    return text.percent(value) if found.binary else text.number(value)


def _plot(reading: Reading, found: Log) -> Plot:
    names = [level_name(reading, held.level) for held in found.levels]
    traces = [plots.bars(names, (held.reward for held in found.levels), "as logged", plots.GREY)]
    if found.known:
        weighted = (
            float("nan") if held.weighted_reward is None else held.weighted_reward
            for held in found.levels
        )
        traces.append(plots.bars(names, weighted, "weighted to all users", plots.ACCENT))
    settings = {"tickformat": ".0%"} if found.binary else {}
    return plots.figure(
        traces,
        xaxis=plots.axis(type="category", showgrid=False),
        yaxis=plots.axis("mean reward", rangemode="tozero", **settings),
        barmode="group",
    )


def _levels(reading: Reading, found: Log) -> Grid:
    def row(held: LoggedLevel) -> list[str]:
        return [
            level_name(reading, held.level),
            text.count(held.decisions),
            text.percent(held.decisions / found.decisions),
            _reward(found, held.reward),
            _reward(found, held.weighted_reward),
            text.money(held.cost),
            text.percent(held.known / held.decisions),
            text.number(held.least, 3),
            text.number(held.mean, 3),
        ]

    return Grid(
        columns=[
            "Level",
            "Decisions",
            "Share",
            "Reward",
            "Weighted reward",
            "Cost a decision",
            "Propensity known",
            "Least",
            "Mean",
        ],
        rows=[row(held) for held in found.levels],
    )


def _feeds(reading: Reading) -> list[Grid]:
    """How far each feed is whole."""
    found = reading.fact(feeds)
    rows = [
        [
            name,
            told(reading, feed.watermark(reading.calendar)),
            "its mark" if feed.mark else "its events",
            text.count(len(feed.holes)),
        ]
        for name, feed in found.feeds.items()
    ]
    return [Grid(["Feed", "Complete until", "As said by", "Holes"], rows, numbers_from=3)]


def _doubts(reading: Reading) -> list[str]:
    """Feeds that lag, and holes in them."""
    found = reading.fact(feeds)
    spans = [hole for feed in found.feeds.values() for hole in feed.holes]
    around = (
        min((hole.first for hole in spans), default=0),
        max((hole.stop for hole in spans), default=0),
    )
    lines = (*lagging(found), *warned(found, *around))
    return [f"{line[0].upper()}{line[1:]}." for line in lines]


def _quarantine(reading: Reading) -> list[Grid]:
    try:
        held = (
            reading.table("quarantine")
            .groupBy("source", "reason")
            .agg(F.count("*"))
            .orderBy(F.desc("count(1)"), "source", "reason")
            .collect()
        )
    except NothingToShowError:
        return []
    if not held:
        return [Grid(["Quarantine"], [["No row was refused."]])]
    rows = [[source, reason, text.count(number)] for source, reason, number in held]
    return [Grid(["Source", "Reason", "Quarantined rows"], rows, numbers_from=2)]


def _notes(found: Log) -> list[str]:
    differences = "Mean rewards as logged are no effects: who got which level was the log's choice."
    if not found.known:
        return [differences]
    return [
        f"{differences} The weighted ones undo that choice by its propensities: what the mean of "
        "one decision would have been, had everybody got this level."
    ]


def _unseen(reading: Reading, found: Log) -> list[str]:
    seen = {held.level for held in found.levels}
    unseen = [level for level in range(len(reading.amounts)) if level not in seen]
    if not unseen:
        return []
    names = ", ".join(str(level) for level in unseen)
    return [f"The log never used level {names}: nothing can be learned about it."]
