"""Event sources, the rules that their rows must meet, and ingestion into the tables."""

from bcrlsp.events.ingest import IngestReport, ingest
from bcrlsp.events.loading import TableCount
from bcrlsp.events.settings import Settings
from bcrlsp.events.source import SOURCES, Events, EventSource, Grid, checked_settings, load_events

__all__ = [
    "SOURCES",
    "EventSource",
    "Events",
    "Grid",
    "IngestReport",
    "Settings",
    "TableCount",
    "checked_settings",
    "ingest",
    "load_events",
]
