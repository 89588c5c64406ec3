"""How the training run went."""

from collections import defaultdict
from typing import Any

from pyspark.sql import functions as F

from bcrlsp.report import plots, text
from bcrlsp.report.facts.policy import policy
from bcrlsp.report.reading import NothingToShowError, Reading
from bcrlsp.report.section import Content, Grid, Plot, section

_MOST_PANELS = 6
_GUTTER = 0.06
# What a learner counts rather than measures: the axis of the curves where it is recorded.
_COUNTER = "update"

Curves = dict[str, list[tuple[float, float]]]
"""(updates or iterations so far, value), ascending, by metric."""


@section("learning", title="Learning", question="Has the learner settled?", order=30)
def learning(reading: Reading) -> Content:
    """A curve for each metric of the training run of the page's policy."""
    chosen = reading.fact(policy)
    curves = _curves(reading, chosen.policy_id)
    name = _telling(curves)
    first, last = curves[name][0][1], curves[name][-1][1]
    as_of = "" if chosen.as_of is None else f", learned from what was known before {chosen.as_of}"
    return Content(
        headline=text.number(last),
        caption=(
            f"{_words(name)} at the last of {text.plural(len(curves[name]), 'point')} of its "
            f"curve, from {text.number(first)} at the first. Policy {chosen.name}{as_of}."
        ),
        plot=_plot(curves),
        plot_says="A line for each metric over the course of training.",
        grids=[_grid(curves)],
    )


def _curves(reading: Reading, policy_id: str) -> Curves:
    rows = (
        reading.table("curves")
        .where(F.col("policy_id") == policy_id)
        .orderBy("metric", "iteration")
        .select("metric", "iteration", "value")
        .collect()
    )
    counted = {iteration: value for metric, iteration, value in rows if metric == _COUNTER}
    curves: Curves = defaultdict(list)
    for metric, iteration, value in rows:
        if metric != _COUNTER:
            curves[metric].append((counted.get(iteration, iteration), value))
    if not curves:
        raise NothingToShowError(
            f"Policy {policy_id} left no learning curve; `bcrlsp train` records one."
        )
    return dict(curves)


def _telling(curves: Curves) -> str:
    """The metric to quote: of held-out users, if there is one, and their TD error before others."""
    held = [name for name in curves if "held" in name or "holdout" in name]
    return next((name for name in held if "td" in name), next(iter(held), next(iter(curves))))


def _words(metric: str) -> str:
    return metric.replace("/", " ").replace("_", " ")


def _plot(curves: Curves) -> Plot:
    shown = list(curves.items())[:_MOST_PANELS]
    columns = 2 if len(shown) > 1 else 1
    rows = -(-len(shown) // columns)
    layout: dict[str, Any] = {}
    traces: list[dict[str, Any]] = []
    titles: list[dict[str, Any]] = []
    width, height = 1 / columns, 1 / rows
    for place, (metric, points) in enumerate(shown):
        row, column = divmod(place, columns)
        left, top = column * width, 1 - row * height
        right = column + 1 < columns
        suffix = "" if place == 0 else str(place + 1)
        traces.append(
            plots.line(
                [iteration for iteration, _ in points],
                (value for _, value in points),
                _words(metric),
                plots.ACCENT,
                xaxis=f"x{suffix}",
                yaxis=f"y{suffix}",
                mode="lines" if len(points) > 1 else "markers",
            )
        )
        # Between columns there is room for an axis on a narrow screen.
        across = [left + (_GUTTER if column else 0), left + width - (_GUTTER if right else 0)]
        layout[f"xaxis{suffix}"] = plots.axis(
            domain=across, anchor=f"y{suffix}", showgrid=False, nticks=6
        )
        layout[f"yaxis{suffix}"] = plots.axis(
            domain=[top - height * 0.7, top - height * 0.12], anchor=f"x{suffix}", nticks=5
        )
        titles.append(
            {
                "text": _words(metric),
                "x": across[0],
                "y": top,
                "xref": "paper",
                "yref": "paper",
                "xanchor": "left",
                "yanchor": "top",
                "showarrow": False,
                "font": {"size": 13, "color": plots.INK},
            }
        )
    return plots.figure(traces, height=60 + 190 * rows, legend=False, annotations=titles, **layout)


def _grid(curves: Curves) -> Grid:
    return Grid(
        columns=["Metric", "Points", "First", "Last", "Lowest", "Highest"],
        rows=[
            [
                _words(metric),
                text.count(len(points)),
                text.number(points[0][1]),
                text.number(points[-1][1]),
                text.number(min(value for _, value in points)),
                text.number(max(value for _, value in points)),
            ]
            for metric, points in curves.items()
        ],
    )
