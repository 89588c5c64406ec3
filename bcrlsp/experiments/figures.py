"""The figures of the experiment, as SVG."""

import math
from collections.abc import Callable, Mapping, Sequence

from bcrlsp.experiments import svg
from bcrlsp.experiments.summary import Mean, plain
from bcrlsp.experiments.svg import COLOURS, FAINT, INK, Axis, Chart

Line = Mapping[float, Mean]

# Pixels of a letter of the names' size, in a wide font.
_LETTER = 7


def percent(value: float) -> str:
    """A share as a percentage without decimals."""
    return f"{plain(100 * value, 0)} %"


def shares(title: str, rows: Sequence[tuple[str, Mean]]) -> str:
    """One dot a contender, with its interval, on a common scale of shares; best first."""
    known = [row for row in rows if not math.isnan(row[1].value)]
    left = 24 + _LETTER * max((len(name) for name, _ in known), default=0)
    chart = Chart(title, width=left + 530, height=110 + 30 * len(known), left=left, right=90)
    ends = [end for _, mean in known for end in (mean.low, mean.high)]
    ticks = svg.nice_ticks(min([0.0, *ends]), max([1.0, *ends]))
    axis = Axis("share of the oracle's gain over the best constant mix", ticks[0], ticks[-1],
                ticks, percent)  # fmt: skip
    chart.horizontal(axis)
    for at in (0.0, 1.0):
        x = chart.x(axis, at)
        chart.line([(x, chart.top), (x, chart.height - chart.bottom)], FAINT, 1, dashed=True)
    for number, (name, mean) in enumerate(known):
        y = chart.top + 18 + 30 * number
        chart.line([(chart.x(axis, mean.low), y), (chart.x(axis, mean.high), y)], COLOURS[0], 3)
        chart.dot(chart.x(axis, mean.value), y, COLOURS[0])
        chart.text(chart.left - 12, y + 4, name, INK, "end")
        chart.text(chart.width - chart.right + 12, y + 4, percent(mean.value), INK)
    return chart.render()


def curves(
    title: str,
    lines: Mapping[str, Line],
    *,
    across: str,
    up: str,
    write: Callable[[float], str],
    log: bool = False,
    faint: Sequence[str] = (),
) -> str:
    """Lines over a varied setting, with bands for their intervals and their names at the end.

    faint: names of lines that are bounds: dashed and grey.
    """
    chart = Chart(title)
    places = sorted({at for line in lines.values() for at in line})
    means = [m for line in lines.values() for m in line.values() if not math.isnan(m.value)]
    ticks = svg.nice_ticks(min(m.low for m in means), max(m.high for m in means))
    x = Axis(across, places[0], places[-1], places, write, log)
    y = Axis(up, ticks[0], ticks[-1], ticks, percent)
    chart.horizontal(x)
    chart.vertical(y)
    ends = []
    for number, (name, line) in enumerate(lines.items()):
        grey = name in faint
        colour = FAINT if grey else COLOURS[number % len(COLOURS)]
        known = [(at, line[at]) for at in sorted(line) if not math.isnan(line[at].value)]
        upper = [(chart.x(x, at), chart.y(y, mean.high)) for at, mean in known]
        lower = [(chart.x(x, at), chart.y(y, mean.low)) for at, mean in known]
        chart.band([*upper, *reversed(lower)], colour)
        points = [(chart.x(x, at), chart.y(y, mean.value)) for at, mean in known]
        chart.line(points, colour, 1.5 if grey else 2.5, dashed=grey)
        for place in () if grey else points:
            chart.dot(*place, colour)
        ends.append((points[-1][1], name, colour))
    heights = svg.spread([end[0] for end in ends], 16)
    for height, (_, name, colour) in zip(heights, ends, strict=True):
        chart.text(chart.width - chart.right + 12, height + 4, name, colour)
    return chart.render()
