"""`bcrlsp report`: one self-contained HTML page on what the tables hold."""

from pathlib import Path

from bcrlsp.commands.base import Context, Outcome, command, option
from bcrlsp.report import render, require_lake
from bcrlsp.tables.unreadable import readable
from bcrlsp.trajectories import require_grid


@command(
    "report",
    option("--period", metavar="D", help="Period of the allocation. Default: the newest there is."),
)
def report(context: Context, period: str | None = None) -> Outcome:
    """Write the report as one HTML page that needs no network.

    Where the lake is missing or cannot be read, the page that was there stays.
    """
    index = None if period is None else context.calendar.parse(period)
    with readable(context.lake):
        require_lake(context.lake)
        require_grid(context.lake, context.calendar)
    with context.stage("Writing the report"):
        page = render(
            context.lake,
            context.calendar,
            period=index,
            destination=Path(context.artifact("report.html")),
            amounts=context.config.amounts,
            source=context.config.source,
        )
    return Outcome([f"report: {page}"], {"report": str(page)})
