"""The user's own tables or files as an event source, by a mapping in the settings.

    events:
      sources:
        tables:
          activity:
            from: analytics.web.visits        # a table, or a folder or file (then format says how)
            where: bot = false
            columns:
              user_id: customer               # the user's column, or any Spark SQL expression
              event_ts: to_timestamp(seen, 'dd.MM.yyyy HH:mm')
              kind: "'visit'"

A column that is not mapped is taken from a column of the same name, in any case; else it is empty
where the table may hold nothing, and `ingest_ts` is the event's own instant. A row for which an
expression fails goes to quarantine. Without `users`, the users are those of the other tables,
signed up at their first event. A row of `users` may say by `known_ts` from when on it was known.
"""

from pydantic import BaseModel, Field
from pyspark.sql import SparkSession

from bcrlsp.events.mapping import Mapping, mapped
from bcrlsp.events.source import SOURCES, Events, Grid
from bcrlsp.session import in_utc
from bcrlsp.tables import EVENT_TABLES

_PLACE = "events.sources.tables"


class TablesSettings(BaseModel, extra="forbid", frozen=True):
    """The mappings."""

    activity: Mapping = Field(description="what users did")
    bonuses: Mapping = Field(description="what was sent, decisions to send nothing included")
    redemptions: Mapping = Field(description="which bonuses were used, and what they cost")
    users: Mapping | None = Field(None, description="who there is; null: from the other tables")


class Tables:
    """The user's own tables."""

    settings = TablesSettings

    def load(self, spark: SparkSession, settings: TablesSettings, grid: Grid) -> Events:
        """The mapped tables; ConfigError for a bad mapping, DataError for an absent table."""
        in_utc(spark)
        found = {
            name: mapped(spark, f"{_PLACE}.{name}", name, getattr(settings, name))
            for name in EVENT_TABLES
            if getattr(settings, name) is not None
        }
        notes = tuple(note for each in found.values() for note in each.notes)
        return Events(
            found["activity"].rows,
            found["bonuses"].rows,
            found["redemptions"].rows,
            found["users"].rows if "users" in found else None,
            notes=notes,
        )


SOURCES.register("tables")(Tables())
