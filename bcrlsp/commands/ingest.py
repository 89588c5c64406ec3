"""`bcrlsp ingest`: events of a source into the event tables."""

from collections.abc import Mapping
from typing import Any

import click

from bcrlsp.commands.base import Context, Outcome, command
from bcrlsp.events import Grid, checked_settings, ingest, load_events


@command("ingest", click.Argument(["source"]))
def ingest_source(context: Context, source: str) -> Outcome:
    """Fill the event tables from SOURCE: complete-journey, or tables (your own, mapped)."""
    return load_into_tables(context, source, context.config.events.sources.get(source, {}))


def load_into_tables(context: Context, source: str, settings: Mapping[str, Any]) -> Outcome:
    """Checks and writes the events of a source, and says what became of its rows."""
    # A mistake is told before Spark starts.
    checked_settings(source, settings)
    events = context.config.events
    grid = Grid(context.calendar, context.config.amounts, events.earliest, events.latest)
    lake = context.lake
    with context.stage(f"Reading and writing the events of {source}"):
        report = ingest(lake, source, load_events(source, context.spark, settings, grid), grid)
    lines, data = [], {}
    for name, count in report.tables.items():
        lines.append(
            f"{name}: {count.written:,} rows written of {count.read:,} read, "
            f"{count.duplicates:,} duplicates, {sum(count.quarantined.values()):,} in quarantine"
        )
        lines.extend(f"  {rows:,} {reason}" for reason, rows in count.quarantined.items())
        data[name] = {
            "read": count.read,
            "written": count.written,
            "duplicates": count.duplicates,
            "quarantined": count.quarantined,
        }
    lines.extend(f"{name}: {figure:,.2f}" for name, figure in report.detail.items())
    lines.append(f"event tables: {lake.place}")
    return Outcome(lines, {"tables": data, "detail": report.detail, "place": lake.place})
