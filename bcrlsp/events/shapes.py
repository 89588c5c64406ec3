"""What a row of each event table is: its columns, its key, and when it happened."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pyspark.sql.types import StructField, StructType, TimestampType

from bcrlsp.tables import TABLES

GOOD: Final = "good"
DUPLICATE: Final = "duplicate"
VERDICT: Final = "_verdict"
RECORD: Final = "_record"
MENDED: Final = "_mended"
DATED: Final = "_dated"

PROBLEM: Final = "_problem"
"""Optional column of a source's rows: why the row can be no event, or null."""
RAW: Final = "_raw"
"""Optional column beside it: the row as the source found it, as text."""

HISTORY: Final = "attributes_segment"
"""The table of what a user's segment was known to be, and from when on."""

INSTANTS: Mapping[str, str] = {
    "activity": "event_ts",
    "bonuses": "sent_ts",
    "redemptions": "redeemed_ts",
    "users": "signup_ts",
}
"""When an event of the table happened."""


@dataclass(frozen=True)
class Shape:
    """Rows of one event table.

    name: of the events. table: where good rows are kept. schema: their columns.
    keys: what tells rows apart. optional: columns that a source may leave out.
    """

    name: str
    table: str
    schema: StructType
    keys: tuple[str, ...]
    optional: tuple[str, ...] = ()

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return self.schema.names

    @property
    def instant(self) -> str:
        """When the event happened."""
        return INSTANTS[self.name]

    @property
    def content(self) -> list[str]:
        """What makes two rows the same event: all but when it was ingested."""
        return [column for column in self.columns if column != "ingest_ts"]


def _shape(name: str) -> Shape:
    table = TABLES[name]
    if name != "users":
        return Shape(name, name, table.schema, table.keys)
    # A user's rows are dated: each says what was known from an instant on.
    fields = [
        StructField(f.name, f.dataType, f.nullable or f.name == "ingest_ts") for f in table.schema
    ]
    known = StructField("known_ts", TimestampType(), True)
    return Shape(
        name, HISTORY, StructType([*fields, known]), ("user_id", "known_ts"), ("known_ts",)
    )


SHAPES: Mapping[str, Shape] = {name: _shape(name) for name in INSTANTS}
