"""Settings of event sources."""

from typing import Any

from pydantic import BaseModel, Field


class Settings(BaseModel, extra="forbid", frozen=True):
    """Where events come from; each source checks its own part."""

    sources: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="settings of each event source under its name, such as tables",
    )
