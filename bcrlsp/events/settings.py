"""Settings of event sources."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field, field_validator

from bcrlsp.periods import as_utc


class Settings(BaseModel, extra="forbid", frozen=True):
    """Where events come from, and when they can be; each source checks its own part."""

    earliest: datetime | None = Field(
        None,
        description="an event before this instant (UTC) goes to quarantine; null: three years "
        "before period.origin",
    )
    latest: datetime | None = Field(
        None,
        description="an event at or after this instant (UTC) goes to quarantine, and so does a "
        "sign-up; null: a day after the moment of ingestion",
    )

    sources: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="settings of each event source under its name, such as tables",
    )

    @field_validator("earliest", "latest")
    @classmethod
    def _utc(cls, value: datetime | None) -> datetime | None:
        return None if value is None else as_utc(value)
