"""The decision: what a launch would change, and for whom."""

from bcrlsp.report import plots, text
from bcrlsp.report.facts.decision import decision
from bcrlsp.report.facts.launch import Change, Launch, launch
from bcrlsp.report.facts.policy import policy
from bcrlsp.report.reading import Reading
from bcrlsp.report.section import Content, Grid, Plot, section


@section(
    "launch",
    title="The decision to launch",
    question="What would a launch change, and for whom?",
    order=45,
)
def decide(reading: Reading) -> Content:
    """Retention and cost gained over the log's policy, on the same users, also by segment."""
    found = reading.fact(launch)
    return Content(
        headline=_headline(found.overall("retention")),
        caption=f"{_caption(found)} Policy {reading.fact(policy).name}.",
        plot=_plot(found),
        plot_says="Retention gained over the logged policy with its interval, by segment.",
        grids=[_grid(found)],
        notes=[
            found.basis.told(reading.fact(decision)),
            "A gain compares the two policies on the same users, so its interval is narrower than "
            "those of the two values apart. Intervals hold with 95 % probability each: of twenty "
            "segments, expect one to miss.",
        ],
    )


def _headline(change: Change | None) -> str:
    if change is None or not change.known:
        return text.UNKNOWN
    return _signed(change.gain)


def _caption(found: Launch) -> str:
    kept, paid = found.overall("retention"), found.overall("cost")
    if kept is None or not kept.known:
        return "The log does not support a number for what a launch would change."
    said = (
        f"periods kept a user beyond the logged policy's (95 % interval {_interval(kept)}, "
        f"estimator {kept.estimator}): {_verdict(kept)}."
    )
    if paid is None or not paid.known:
        return f"{said} What it would cost is unknown."
    cost = f"{text.money(paid.estimate)} against {text.money(paid.logged)} a user"
    return f"{said} Cost {cost}, a change of {_signed(paid.gain)} ({_interval(paid)})."


def _verdict(change: Change) -> str:
    if not change.proven:
        return "not proven"
    return "a gain" if change.gain > 0 else "a loss"


def _interval(change: Change) -> str:
    return f"{_signed(change.gain_low)} to {_signed(change.gain_high)}"


def _signed(value: float) -> str:
    sign = "+" if value > 0 else ""
    return f"{sign}{text.number(value, 3)}"


def _plot(found: Launch) -> Plot:
    overall = found.overall("retention")
    shown = [c for c in (overall, *found.by_segment("retention")) if c is not None and c.known]
    drawn = plots.dots(
        [c.segment for c in shown],
        [c.gain for c in shown],
        [(c.gain_low, c.gain_high) for c in shown],
    )
    return plots.figure(
        [drawn],
        legend=False,
        height=130 + 34 * max(1, len(shown)),
        xaxis=plots.axis("periods kept a user, beyond the logged policy", zeroline=True),
        yaxis=plots.axis(
            type="category",
            categoryorder="array",
            categoryarray=[c.segment for c in shown][::-1],
        ),
    )


def _grid(found: Launch) -> Grid:
    rows = []
    for measure, shown in (("retention", text.number), ("cost", text.money)):
        overall = found.overall(measure)
        for c in ([overall] if overall else []) + found.by_segment(measure):
            known = c.known
            rows.append(
                [
                    c.segment,
                    measure,
                    text.count(c.users),
                    shown(c.logged),
                    shown(c.estimate) if known else "no number: it would mislead",
                    _signed(c.gain) if known else text.UNKNOWN,
                    _interval(c) if known else text.UNKNOWN,
                    _verdict(c) if known and measure == "retention" else "",
                ]
            )
    return Grid(
        columns=[
            "Segment", "Measure", "Users", "Logged", "New policy", "Change", "95 % interval",
            "Verdict",
        ],
        rows=rows,
        numbers_from=2,
    )  # fmt: skip
