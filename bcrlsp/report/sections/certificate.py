"""How near to the best possible the allocation is, and that it keeps within its budgets."""

from bcrlsp.report import plots, text
from bcrlsp.report.facts.decision import Certificate, decision
from bcrlsp.report.facts.policy import policy
from bcrlsp.report.reading import NothingToShowError, Reading
from bcrlsp.report.section import Content, Grid, Plot, section


@section(
    "certificate",
    title="Certificate",
    question="Could another allocation have been better?",
    order=70,
)
def certificate(reading: Reading) -> Content:
    """Value and bound, spend against limits, prices, and what it was computed from."""
    chosen = reading.fact(decision)
    found = chosen.certificate
    if found is None:
        raise NothingToShowError(
            f"There is no certificate for {reading.label(chosen.period)}; `bcrlsp allocate` "
            "writes one."
        )
    within = all(spent <= found.limits[name] for name, spent in found.spend.items())
    kept = "Every budget is kept." if within else "A budget is exceeded."
    return Content(
        headline=text.percent(found.gap),
        caption=(
            "of the best possible value is what this allocation may lack at most: it is worth "
            f"{text.number(found.value, 8)} expected retained periods, and no allocation within "
            f"the budgets can pass {text.number(found.bound, 8)}. {kept}"
        ),
        plot=_plot(found),
        plot_says="A bar for each budget: the share of its limit that is used.",
        grids=[_budgets(found), _origin(reading, found)],
        warnings=[] if within else ["Spend is above a limit: do not send these bonuses."],
    )


def _plot(found: Certificate) -> Plot:
    names = list(found.limits)[::-1]
    shares = [_used(found, name) for name in names]
    return plots.figure(
        [
            {
                "type": "bar",
                "orientation": "h",
                "x": plots.rounded(100 * (share or 0.0) for share in shares),
                "y": names,
                "width": 0.5,
                "marker": {"color": plots.ACCENT},
                "text": [text.percent(share) for share in shares],
                "textposition": "auto",
                "name": "used",
            }
        ],
        height=90 + 42 * len(names),
        legend=False,
        xaxis=plots.axis("used, % of the limit", range=[0, 105]),
        yaxis=plots.axis(type="category", showgrid=False),
        shapes=[
            {
                "type": "line",
                "x0": 100,
                "x1": 100,
                "y0": 0,
                "y1": 1,
                "yref": "paper",
                "line": {"color": plots.INK, "width": 1.5, "dash": "dot"},
            }
        ],
    )


def _used(found: Certificate, name: str) -> float | None:
    spent, limit = found.spend.get(name), found.limits[name]
    return None if spent is None or limit == 0 else spent / limit


def _budgets(found: Certificate) -> Grid:
    return Grid(
        columns=["Budget", "Spend", "Limit", "Used", "Price"],
        rows=[
            [
                name,
                text.money(found.spend.get(name)),
                text.limit(limit),
                text.percent(_used(found, name)),
                text.number(found.prices.get(name), 3),
            ]
            for name, limit in found.limits.items()
        ],
    )


def _origin(reading: Reading, found: Certificate) -> Grid:
    sources = ", ".join(
        f"{name} {number}" for name, number in sorted(found.source_versions.items())
    )
    return Grid(
        columns=["How it was made", ""],
        rows=[
            ["Users", text.count(found.users)],
            ["Passes over all users", text.count(found.passes)],
            ["Policy", reading.fact(policy).name],
            ["Run", found.run_id],
            ["Versions read", sources or text.UNKNOWN],
        ],
    )
