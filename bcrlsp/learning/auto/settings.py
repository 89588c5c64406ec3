"""Settings of `auto`."""

from typing import Any

from pydantic import BaseModel, Field


class Settings(BaseModel, extra="forbid", frozen=True):
    """Which rules are tried, and how surely one must be better than a constant mix to be chosen."""

    candidates: tuple[str, ...] = Field(
        ("planner", "recurrent", "advantage", "myopic"),
        description="learners that are tried beside the constant mixes and sending nothing: "
        "entries of the registry of candidates, or of the registry of algorithms",
    )
    options: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="settings of a learner's own, by its name"
    )
    budget: float | None = Field(
        None,
        ge=0,
        description="money a user and period that rules are judged at; null: as the log spent",
    )
    periods: int = Field(
        30, ge=1, description="periods that rules are played in each world. Usual: 20 to 40"
    )
    users: int = Field(
        1_500, ge=2, description="users of each world. More tell finer differences, and take longer"
    )
    errors: float = Field(
        1.0,
        ge=0,
        description="standard errors by which a rule's gain is lowered before it is compared. "
        "Higher keeps to the constant mix more often. Usual: 1 to 2",
    )
    rows: int = Field(
        400_000,
        ge=1,
        description="most logged rows on which a rule's own levels are held against what was "
        "expected of them",
    )
