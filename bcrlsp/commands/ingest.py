"""`bcrlsp ingest`: events of a source into the event tables."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import click

from bcrlsp.commands.base import Context, Outcome, command, option
from bcrlsp.deliveries import FEEDS, check_marks, read_marks, write_marks
from bcrlsp.errors import UserError
from bcrlsp.events import Grid, TableCount, checked_settings, ingest, load_events

COMPLETE = option(
    "--complete-until",
    metavar="[FEED=]INSTANT",
    multiple=True,
    help="Nothing before it is missing any more, in all feeds or one; may be given many times.",
)
BACK = option("--marks-back", is_flag=True, help="--complete-until may take a later mark back.")


@command("ingest", click.Argument(["source"]), COMPLETE, BACK)
def ingest_source(
    context: Context,
    source: str,
    complete_until: tuple[str, ...] = (),
    marks_back: bool = False,
) -> Outcome:
    """Fill the event tables from SOURCE: complete-journey, or tables (your own, mapped)."""
    settings = context.config.events.sources.get(source, {})
    return load_into_tables(context, source, settings, complete_until, marks_back)


def _also(count: TableCount) -> list[str]:
    """What a reader should know of a table's rows beside their number."""
    told = {
        "left the quarantine: what they refer to has come": count.released,
        "left the table for the quarantine: another row of their key was first": count.displaced,
        "had blanks or invisible marks in an id, which were taken away": count.mended,
        "have a date for an instant: the start of that local day": count.dated,
    }
    return [f"  {number:,} {what}" for what, number in told.items() if number]


def load_into_tables(
    context: Context,
    source: str,
    settings: Mapping[str, Any],
    complete_until: Sequence[str] = (),
    marks_back: bool = False,
) -> Outcome:
    """Checks and writes the events of a source, and says what became of its rows.

    complete_until: delivery marks, see `parse_marks`. marks_back: they may be before earlier ones.
    """
    # A mistake is told before Spark starts.
    checked_settings(source, settings)
    events = context.config.events
    grid = Grid(
        context.calendar,
        context.config.amounts,
        events.earliest,
        events.latest,
        events.redemption_above_face,
    )
    marks = parse_marks(complete_until, grid)
    lake = context.lake
    if marks:
        check_marks(lake, marks, back=marks_back)
    with context.stage(f"Reading and writing the events of {source}"):
        found = load_events(source, context.spark, settings, grid)
        reward = context.config.trajectories.reward.kind
        report = ingest(
            lake,
            source,
            found,
            grid,
            leading_zeros=events.leading_zeros,
            letter_case=events.letter_case,
            count_alike=reward != "active",
        )
    if marks:
        write_marks(lake, marks)
    lines, data = [], {}
    for name, count in report.tables.items():
        lines.append(
            f"{name}: {count.written:,} rows written of {count.read:,} read, "
            f"{count.duplicates:,} duplicates, {sum(count.quarantined.values()):,} in quarantine"
        )
        lines.extend(f"  {rows:,} {reason}" for reason, rows in count.quarantined.items())
        lines.extend(_also(count))
        data[name] = asdict(count)
    if report.alike:
        lines.append(
            f"warning: {report.alike:,} rows of activity have no time of day and are equal to "
            "another one in user, date and kind: each such group counts as one event, and "
            f"trajectories.reward.kind={reward} is too small where they are several; give event_ts "
            "the instant, or add microseconds of the row's own id: timestampadd(MICROSECOND, "
            "pmod(xxhash64(id), 3600000000), day)"
        )
    lines.extend(report.notes)
    lines.extend(f"{name}: {figure:,.2f}" for name, figure in report.detail.items())
    held = {name: mark.complete_until.isoformat() for name, mark in read_marks(lake).items()}
    lines.extend(f"{name} is complete until {held[name]}" for name in FEEDS if name in held)
    lines.append(f"event tables: {lake.place}")
    told = {
        "tables": data,
        "detail": report.detail,
        "alike": report.alike,
        "complete_until": held,
        "place": lake.place,
    }
    return Outcome(lines, told)


def parse_marks(texts: Sequence[str], grid: Grid) -> dict[str, datetime]:
    """Delivery marks by feed from texts [FEED=]INSTANT; a feed's own wins over that of all.

    An instant without an offset is local; a date is its beginning. UserError for any other text,
    and for an instant that has not come: nothing can be complete until then.
    """
    everyone: dict[str, datetime] = {}
    own: dict[str, datetime] = {}
    for text in texts:
        feed, equals, instant = text.rpartition("=")
        if equals and feed not in FEEDS:
            raise UserError(
                f"--complete-until {text}: {feed!r} is no feed; allowed: {', '.join(FEEDS)}"
            )
        try:
            until = grid.calendar.instant(instant)
        except (ValueError, OverflowError):
            raise UserError(
                f"--complete-until {text}: allowed: an ISO date or instant such as "
                "2025-01-31T06:00, for one feed alone activity=2025-01-31"
            ) from None
        latest = grid.span[1]
        if until > latest:
            raise UserError(
                f"--complete-until {text} has not come yet; allowed: up to "
                f"{latest:%Y-%m-%dT%H:%M}Z (events.latest, else a day from now)"
            )
        if equals:
            own[feed] = until
        else:
            everyone = dict.fromkeys(FEEDS, until)
    return everyone | own
