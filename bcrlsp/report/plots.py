"""How plots look: plain Plotly JSON in the colours of the page."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from bcrlsp.report.section import Plot

ACCENT = "#0b6a75"
SOFT = "#8fc1c7"
GREY = "#98a1ab"
INK = "#2b333b"
_GRID = "#e8ebee"
_FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'


def figure(
    traces: Sequence[dict[str, Any]], *, height: int = 320, legend: bool = True, **layout: Any
) -> Plot:
    """A Plotly figure of `traces`, with the page's look under `layout`."""
    base: dict[str, Any] = {
        "height": height,
        "margin": {"l": 0, "r": 12, "t": 34 if legend else 12, "b": 12, "pad": 4},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": _FONT, "size": 13, "color": INK},
        "showlegend": legend,
        "legend": {
            "orientation": "h",
            "x": 0,
            "y": 1.0,
            "xanchor": "left",
            "yanchor": "bottom",
            "bgcolor": "rgba(0,0,0,0)",
        },
        "hovermode": "closest",
        "hoverlabel": {"bgcolor": "#ffffff", "bordercolor": GREY, "font": {"color": INK}},
        "dragmode": False,
        "bargap": 0.3,
        "bargroupgap": 0.08,
    }
    return {"data": list(traces), "layout": base | layout}


def axis(title: str = "", **settings: Any) -> dict[str, Any]:
    """An axis with the page's look; `settings` win."""
    base: dict[str, Any] = {
        "title": {"text": title, "font": {"size": 12, "color": "#5b6670"}, "standoff": 8},
        "automargin": True,
        "gridcolor": _GRID,
        "linecolor": GREY,
        "zeroline": False,
        "fixedrange": True,
        "ticks": "",
    }
    return base | settings


def dots(
    names: Sequence[str], values: Sequence[float], ends: Sequence[tuple[float, float]]
) -> dict[str, Any]:
    """A dot a name along the x axis, with its interval; ends: (low, high) of each."""
    return {
        "type": "scatter",
        "mode": "markers",
        "x": rounded(values),
        "y": list(names),
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": rounded(high - value for value, (_, high) in zip(values, ends, strict=True)),
            "arrayminus": rounded(
                value - low for value, (low, _) in zip(values, ends, strict=True)
            ),
            "color": ACCENT,
            "thickness": 1.75,
            "width": 4,
        },
        "marker": {"size": 9, "color": ACCENT},
    }


def line(
    x: Sequence[Any], y: Iterable[float], name: str, colour: str, **settings: Any
) -> dict[str, Any]:
    """A line trace."""
    base = {
        "type": "scatter",
        "mode": "lines",
        "x": list(x),
        "y": rounded(y),
        "name": name,
        "line": {"color": colour, "width": 2.25},
    }
    return base | settings


def bars(
    x: Sequence[Any], y: Iterable[float], name: str, colour: str, **settings: Any
) -> dict[str, Any]:
    """A bar trace."""
    base = {
        "type": "bar",
        "x": list(x),
        "y": rounded(y),
        "name": name,
        "marker": {"color": colour},
    }
    return base | settings


def rounded(values: Iterable[float | None], digits: int = 7) -> list[float | None]:
    """Values to `digits` significant digits, so that the order of a sum leaves no trace.

    What is no finite number becomes None: a gap in the plot.
    """
    return [
        float(f"{value:.{digits}g}") if value is not None and math.isfinite(value) else None
        for value in values
    ]
