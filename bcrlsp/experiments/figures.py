"""The figures of the experiment, as SVG; the same results give the same file."""

import io
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from bcrlsp.experiments.summary import Mean, plain

Line = Mapping[float, Mean]

INK, FAINT, GRID = "#1f2933", "#61707f", "#e4e8ec"
COLOURS = ("#0b6e99", "#c8553d", "#5b8c5a", "#8a6fb0", "#b8860b", "#444444")
# Text stays text, and identifiers follow from the content: a file changes only with its results.
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "bcrlsp",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": GRID,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
}


def percent(value: float) -> str:
    """A share as a percentage without decimals."""
    return f"{plain(100 * value, 0)} %"


def shares(title: str, rows: Sequence[tuple[str, Mean]]) -> str:
    """One dot a contender, with its interval, on a common scale of shares; best first."""
    known = [row for row in rows if not math.isnan(row[1].value)]
    with mpl.rc_context(_STYLE):
        figure, axes = _axes(title, height=1.2 + 0.32 * len(known))
        for number, (_, mean) in enumerate(known):
            axes.plot([mean.low, mean.high], [number, number], color=COLOURS[0], linewidth=2.5)
            axes.plot([mean.value], [number], "o", color=COLOURS[0])
            axes.annotate(
                percent(mean.value),
                (max(mean.high, mean.value), number),
                xytext=(8, 0),
                textcoords="offset points",
                va="center",
            )
        for at in (0.0, 1.0):
            axes.axvline(at, color=FAINT, linewidth=1, linestyle="--")
        axes.set_yticks(range(len(known)), [name for name, _ in known], color=INK)
        axes.set_ylim(len(known) - 0.5, -0.5)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: percent(value)))
        axes.set_xlabel("share of the oracle's gain over the best constant mix")
        return _svg(figure)


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
    """Lines over a varied setting, with bands for their intervals and a legend beside them.

    faint: names of lines that are bounds: dashed and grey.
    """
    with mpl.rc_context(_STYLE):
        figure, axes = _axes(title, height=4.2)
        for number, (name, line) in enumerate(lines.items()):
            grey = name in faint
            colour = FAINT if grey else COLOURS[number % len(COLOURS)]
            known = [(at, line[at]) for at in sorted(line) if not math.isnan(line[at].value)]
            places = [at for at, _ in known]
            axes.plot(
                places,
                [mean.value for _, mean in known],
                "--" if grey else "o-",
                color=colour,
                linewidth=1.5 if grey else 2.5,
                markersize=5,
                label=name,
            )
            low, high = ([getattr(mean, end) for _, mean in known] for end in ("low", "high"))
            axes.fill_between(places, low, high, color=colour, alpha=0.14, linewidth=0)
        if log:
            axes.set_xscale("log")
        places = sorted({at for line in lines.values() for at in line})
        axes.set_xticks(places, [write(at) for at in places])
        axes.minorticks_off()
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: percent(value)))
        axes.set_xlabel(across)
        axes.set_ylabel(up)
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
        return _svg(figure)


def _axes(title: str, height: float) -> tuple[Figure, Axes]:
    """An empty figure of `height` inches and its one chart."""
    figure = Figure(figsize=(8.5, height), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _svg(figure: Figure) -> str:
    """The figure as the text of an SVG file, without the date that it was made on."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()
