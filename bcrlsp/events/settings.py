"""Settings of event sources."""

from datetime import datetime
from typing import Any, Literal

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

    redemption_above_face: float | None = Field(
        0.0,
        ge=0,
        allow_inf_nan=False,
        description="part of its bonus's face value by which a redemption may cost more (0.1: a "
        "tenth); one that costs more goes to quarantine; null: any amount is believed",
    )
    leading_zeros: Literal["refuse", "keep"] = Field(
        "refuse",
        description="ids of users or bonuses that differ in leading zeros alone (00123 and 123): "
        "refuse stops the ingestion before a table is changed, keep takes them as they are",
    )
    letter_case: Literal["refuse", "keep"] = Field(
        "refuse",
        description="ids of users or bonuses that differ in letter case alone (ab1 and AB1), in "
        "how Unicode encodes a letter, or in a UUID's hyphens: refuse or keep, as above",
    )

    sources: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="settings of each event source under its name, such as tables",
    )

    @field_validator("earliest", "latest")
    @classmethod
    def _utc(cls, value: datetime | None) -> datetime | None:
        return None if value is None else as_utc(value)
