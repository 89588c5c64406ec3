"""`bcrlsp trajectories`: events to trajectories, for a window of periods."""

from datetime import datetime

from bcrlsp.commands.base import Context, Outcome, command, option
from bcrlsp.errors import UserError
from bcrlsp.periods import as_utc
from bcrlsp.trajectories import BuildReport, build

WINDOW = (
    option("--from", "first", metavar="D", required=True, help="First period (included)."),
    option("--to", "last", metavar="D", required=True, help="Last period (excluded)."),
)
FORCE = option("--force", is_flag=True, help="Rebuild periods that are right already.")
KNOWN_AT = option(
    "--known-at", metavar="INSTANT", help="Leave out what was ingested later (the past as known)."
)


@command("trajectories", *WINDOW, FORCE, KNOWN_AT)
def trajectories(
    context: Context, first: str, last: str, force: bool = False, known_at: str | None = None
) -> Outcome:
    """Build the trajectories of the periods from --from (included) to --to (excluded)."""
    window = context.calendar.parse_range(first, last)
    with context.stage(f"Building trajectories of {len(window)} periods"):
        report = build(
            context.lake,
            context.config.trajectories,
            context.feature_set,
            window,
            known_at=parse_instant(known_at),
            force=force,
            progress=context.say,
        )
    return described(context, report)


def parse_instant(text: str | None) -> datetime | None:
    """The instant of --known-at, UTC if it has no offset; UserError when it is none."""
    if text is None:
        return None
    try:
        return as_utc(datetime.fromisoformat(text))
    except ValueError:
        raise UserError(
            f"--known-at {text}: allowed: an ISO instant such as 2025-03-01T06:00:00"
        ) from None


def described(context: Context, report: BuildReport) -> Outcome:
    """What a build did, for people and programs."""
    place = context.lake.identifier("trajectories")
    lines = [
        f"{report.rows:,} rows in {len(report.built)} periods written; {len(report.skipped)} "
        f"periods were right already; {len(report.pending)} wait for their reward",
    ]
    for count, told in (
        (report.conflicts, "further bonuses in a user's period (the highest level counts)"),
        (report.duplicates, "events were there more than once (one counts)"),
        (report.late, "events came too late and are in quarantine"),
    ):
        if count:
            lines.append(f"{count:,} {told}")
    lines.append(f"trajectories: {place}")

    def named(periods: list[int]) -> list[str]:
        return [context.calendar.start(period).isoformat() for period in periods]

    data = {
        "rows": report.rows,
        "built": named(report.built),
        "skipped": named(report.skipped),
        "pending": named(report.pending),
        "conflicts": report.conflicts,
        "duplicates": report.duplicates,
        "late": report.late,
        "versions": dict(report.versions),
        "feature_set": context.feature_set.hash,
        "place": place,
    }
    return Outcome(lines, data)
