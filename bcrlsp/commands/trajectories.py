"""`bcrlsp trajectories`: events to trajectories, for a window of periods."""

from collections.abc import Iterable
from datetime import datetime

from bcrlsp.commands.base import Context, Outcome, command, option
from bcrlsp.errors import DataError, UserError
from bcrlsp.features import MEMORY
from bcrlsp.periods import Calendar
from bcrlsp.trajectories import BuildReport, build, require_one_definition
from bcrlsp.trajectories.completeness import described_holes, lagging, told_waiting, warned

WINDOW = (
    option("--from", "first", metavar="D", required=True, help="First period (included)."),
    option("--to", "last", metavar="D", required=True, help="Last period (excluded)."),
)
FORCE = option("--force", is_flag=True, help="Rebuild periods that are right already.")
KNOWN_AT = option(
    "--known-at", metavar="INSTANT", help="Leave out what was ingested later (the past as known)."
)
NEW_GRID = option(
    "--new-grid",
    is_flag=True,
    help="The settings' grid of periods replaces the tables' own: they are cleared first.",
)


@command("trajectories", *WINDOW, FORCE, KNOWN_AT, NEW_GRID)
def trajectories(
    context: Context,
    first: str,
    last: str,
    force: bool = False,
    known_at: str | None = None,
    new_grid: bool = False,
) -> Outcome:
    """Build the trajectories of the periods from --from (included) to --to (excluded)."""
    window = context.calendar.parse_range(first, last)
    known = parse_instant(known_at, context.calendar)
    with context.stage(f"Building trajectories of {len(window)} periods"):
        report = build(
            context.lake,
            context.config.trajectories,
            context.feature_set,
            window,
            known_at=known,
            force=force,
            new_grid=new_grid,
            progress=context.say,
        )
    return described(context, report)


def parse_instant(text: str | None, calendar: Calendar) -> datetime | None:
    """The instant of --known-at, local if it has no offset; UserError when it is none."""
    if text is None:
        return None
    try:
        return calendar.instant(text)
    except (ValueError, OverflowError):
        raise UserError(
            f"--known-at {text}: allowed: an ISO instant such as 2025-03-01T06:00:00"
        ) from None


def described(context: Context, report: BuildReport) -> Outcome:
    """What a build did, for people and programs."""
    place = context.lake.identifier("trajectories")
    found, window = report.complete, report.window
    lines = [
        f"{report.rows:,} rows in {len(report.built)} periods written; {len(report.skipped)} "
        "periods were right already",
    ]
    if report.pending:
        count = len(report.pending)
        waits = "1 period waits" if count == 1 else f"{count} periods wait"
        lines.append(f"{waits}: {told_waiting(found, report.waiting)}")
    reach = context.config.trajectories.reach
    around = (window.start - MEMORY, window.stop + reach)
    lines.extend(f"warning: {line}" for line in (*lagging(found), *warned(found, *around)))
    if report.unattributed.rows:
        lines.append(
            f"warning: redemptions that are in no row's cost: {report.unattributed.rows:,}, worth "
            f"{report.unattributed.amount:,.2f}; the bonus is not known, its user has no row in "
            "its period, or it came more than trajectories.attribution = "
            f"{context.config.trajectories.attribution} periods before"
        )
    for count, told in (
        (report.conflicts, "further bonuses in a user's period (the highest level counts)"),
        (report.duplicates, "events were there more than once (one counts)"),
        (report.late, "events came too late and are in quarantine"),
    ):
        if count:
            lines.append(f"{count:,} {told}")
    try:
        require_one_definition(context.lake)
    except DataError as error:
        lines.append(f"warning: {error}; until then nothing trains on them together")
    lines.append(f"trajectories: {place}")

    def named(periods: Iterable[int]) -> list[str]:
        return [context.calendar.start(period).isoformat() for period in periods]

    data = {
        "rows": report.rows,
        "built": named(report.built),
        "skipped": named(report.skipped),
        "pending": named(report.pending),
        "waiting": {name: len(periods) for name, periods in report.waiting.items()},
        "watermarks": {
            name: None if (end := feed.watermark(context.calendar)) is None else end.isoformat()
            for name, feed in found.feeds.items()
        },
        "holes": described_holes(found, *around),
        "unattributed": {
            "rows": report.unattributed.rows,
            "amount": report.unattributed.amount,
        },
        "conflicts": report.conflicts,
        "duplicates": report.duplicates,
        "late": report.late,
        "versions": dict(report.versions),
        "feature_set": context.feature_set.hash,
        "place": place,
    }
    return Outcome(lines, data)
