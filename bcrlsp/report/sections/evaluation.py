"""What the new policy would have done, estimated from the log alone."""

from typing import Any

from bcrlsp.report import plots, text
from bcrlsp.report.facts.decision import decision
from bcrlsp.report.facts.evaluation import Estimate, Evaluation, evaluation
from bcrlsp.report.facts.launch import proven
from bcrlsp.report.facts.policy import policy
from bcrlsp.report.reading import Reading
from bcrlsp.report.section import Content, Grid, Plot, section

_UNITS = {"retention": "periods kept a user", "cost": "money a user"}
_REFUSED = "no number: it would mislead"


@section(
    "evaluation",
    title="Policy evaluation",
    question="Is the new policy better than the one that wrote the log?",
    order=40,
)
def evaluate(reading: Reading) -> Content:
    """Each estimator's value of the new policy beside what the log's own policy reached."""
    found = reading.fact(evaluation)
    headline, caption = _answer(found, proven(reading))
    return Content(
        headline=headline,
        caption=f"{caption} Policy {reading.fact(policy).name}.",
        plot=_plot(found),
        plot_says="Estimates with their intervals by estimator, and the logged policy's own value.",
        grids=[_grid(found)],
        notes=[found.basis.told(reading.fact(decision)), _meaning(found)],
        warnings=_warnings(found),
    )


def _answer(found: Evaluation, differs: bool) -> tuple[str, str]:
    best, logged = found.best("retention"), found.logged("retention")
    if best is None:
        return text.UNKNOWN, "No estimator dares a number on retention from this log."
    interval = f"95 % interval {_interval(best)}, estimator {best.estimator}"
    if logged is None:
        return text.number(best.estimate), (
            f"periods kept a user under the new policy ({interval}); what the log's own policy "
            "reached is unknown."
        )
    change = best.estimate - logged.estimate
    sign = "+" if change > 0 else ""
    return f"{sign}{text.number(change, 2)}", (
        f"periods kept a user: {text.number(best.estimate)} under the new policy ({interval}) "
        f"against {text.number(logged.estimate)} as logged ({_interval(logged)}). "
        + (
            "The difference is proven at that probability."
            if differs
            else "The difference is not proven."
        )
    )


def _interval(estimate: Estimate) -> str:
    return f"{text.number(estimate.low)} to {text.number(estimate.high)}"


def _plot(found: Evaluation) -> Plot:
    layout: dict[str, Any] = {}
    traces: list[dict[str, Any]] = []
    shapes: list[dict[str, Any]] = []
    names = sorted({e.estimator for measure in _UNITS for e in found.of(measure)})
    for place, measure in enumerate(_UNITS):
        suffix = "" if place == 0 else "2"
        shown = [e for e in found.of(measure) if e.known]
        drawn = plots.dots(
            [e.estimator for e in shown],
            [e.estimate for e in shown],
            [(e.low, e.high) for e in shown],
        )
        traces.append(
            drawn
            | {
                "name": "new policy",
                "showlegend": place == 0,
                "xaxis": f"x{suffix}",
                "yaxis": f"y{suffix}",
            }
        )
        logged = found.logged(measure)
        if logged is not None:
            band = plots.rounded([logged.low, logged.high])
            shapes.append(_band(band, suffix, plots.GREY))
            middle = plots.rounded([logged.estimate])[0]
            traces.append(
                {
                    "type": "scatter",
                    "mode": "lines",
                    "x": [middle] * len(names),
                    "y": names,
                    "line": {"color": plots.GREY, "dash": "dot", "width": 2},
                    "name": "as logged",
                    "showlegend": place == 0,
                    "xaxis": f"x{suffix}",
                    "yaxis": f"y{suffix}",
                }
            )
        domain = [0.0, 0.47] if place == 0 else [0.53, 1.0]
        layout[f"xaxis{suffix}"] = plots.axis(
            _UNITS[measure], domain=domain, anchor=f"y{suffix}", nticks=5
        )
        layout[f"yaxis{suffix}"] = plots.axis(
            type="category",
            categoryorder="array",
            categoryarray=names[::-1],
            anchor=f"x{suffix}",
            showticklabels=place == 0,
        )
    return plots.figure(traces, height=130 + 34 * len(names), shapes=shapes, **layout)


def _band(band: list[float | None], suffix: str, colour: str) -> dict[str, object]:
    return {
        "type": "rect",
        "x0": band[0],
        "x1": band[1],
        "xref": f"x{suffix}",
        "y0": 0,
        "y1": 1,
        "yref": f"y{suffix} domain",
        "fillcolor": colour,
        "opacity": 0.18,
        "line": {"width": 0},
        "layer": "below",
    }


def _grid(found: Evaluation) -> Grid:
    def row(e: Estimate) -> list[str]:
        shown = text.money if e.measure == "cost" else text.number
        return [
            e.estimator,
            e.measure,
            shown(e.estimate) if e.known else _REFUSED,
            shown(e.low),
            shown(e.high),
            text.count(e.effective_sample_size),
        ]

    return Grid(
        columns=["Estimator", "Measure", "Estimate", "Low", "High", "Effective users"],
        rows=[row(e) for e in found.estimates],
        numbers_from=2,
    )


def _meaning(found: Evaluation) -> str:
    first = found.estimates[0]
    if first.gamma is None:
        weights = "by a discount that was not recorded"
    else:
        weights = f"{first.gamma:g} to the power of its step"
    return (
        f"Both are sums along a trajectory of up to {text.plural(first.periods, 'period')}, each "
        f"period weighted {weights}; intervals hold with 95 % probability."
    )


def _warnings(found: Evaluation) -> list[str]:
    told: dict[str, list[str]] = {}
    for e in found.estimates:
        for warning in filter(None, (e.warnings or "").split("; ")):
            told.setdefault(warning, []).append(f"{e.estimator} {e.measure}")
    return [f"{warning} ({', '.join(who)})" for warning, who in told.items()]
