"""What more or less budget would buy."""

from pyspark.sql import Row
from pyspark.sql import functions as F

from bcrlsp.report import plots, text
from bcrlsp.report.facts.decision import Decision, decision, of_period
from bcrlsp.report.reading import NothingToShowError, Reading
from bcrlsp.report.section import Content, Grid, Plot, section


@section(
    "frontier",
    title="Retention-budget frontier",
    question="What would more budget buy?",
    order=60,
)
def frontier(reading: Reading) -> Content:
    """Best expected retention against the budget, with the budget that was chosen."""
    chosen = reading.fact(decision)
    mine = of_period(reading, "frontiers", chosen.period).where(F.col("run_id") == chosen.run_id)
    rows = mine.orderBy("budget").collect()
    if not rows:
        raise NothingToShowError(
            f"There is no frontier for {reading.label(chosen.period)}; `bcrlsp allocate` makes it."
        )
    price = _price(chosen)
    return Content(
        headline=text.number(price, 3),
        caption=_caption(chosen, price),
        plot=_plot(chosen, rows),
        plot_says="A line of expected retained periods over the budget, the chosen one marked.",
        grids=[_grid(rows)],
        notes=[
            "Each point is the best allocation of its budget by the policy's own values: a "
            "forecast of this policy, not a measurement."
        ],
    )


def _price(chosen: Decision) -> float | None:
    if chosen.budget is None or chosen.certificate is None:
        return None
    return chosen.certificate.prices.get(chosen.budget[0])


def _caption(chosen: Decision, price: float | None) -> str:
    if chosen.budget is None:
        return "The period has not just one budget: the price of each is in the certificate."
    at = f"at the chosen budget of {text.money(chosen.budget[1])}"
    if price == 0:
        return f"{at}: it does not bind, and more of it would buy nothing."
    return f"expected retained periods for one more unit of money {at}."


def _plot(chosen: Decision, rows: list[Row]) -> Plot:
    traces = [
        plots.line(
            plots.rounded(row.budget for row in rows),
            (row.value for row in rows),
            "best allocation",
            plots.GREY,
            mode="lines+markers",
            customdata=[[text.number(row.price, 3), text.money(row.spend)] for row in rows],
            hovertemplate=(
                "budget %{x:,.2f}<br>spend %{customdata[1]}<br>retained periods %{y:,.2f}"
                "<br>price %{customdata[0]}<extra></extra>"
            ),
        )
    ]
    if chosen.budget is not None and chosen.certificate is not None:
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": plots.rounded([chosen.budget[1]]),
                "y": plots.rounded([chosen.certificate.value]),
                "name": "chosen budget",
                "marker": {"size": 13, "color": plots.ACCENT, "symbol": "diamond"},
                "hovertemplate": "chosen: budget %{x:,.2f}<br>%{y:,.2f}<extra></extra>",
            }
        )
    return plots.figure(
        traces,
        height=360,
        xaxis=plots.axis("budget, money", rangemode="tozero"),
        yaxis=plots.axis("expected retained periods, all users"),
    )


def _grid(rows: list[Row]) -> Grid:
    return Grid(
        columns=["Budget", "Spend", "Expected retained periods", "Price"],
        rows=[
            [
                text.money(row.budget),
                text.money(row.spend),
                text.number(row.value, 6),
                text.number(row.price, 3),
            ]
            for row in rows
        ],
        numbers_from=0,
    )
