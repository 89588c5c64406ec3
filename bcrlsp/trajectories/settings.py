"""How events become trajectories: rewards, costs, and what is kept."""

import json
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class RewardSettings(BaseModel):
    """What counts as a good outcome of the decision of period t."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["active", "count", "amount"] = Field(
        "active",
        description="active: 1 if there is any activity in the window, else 0; count: number of "
        "its events; amount: sum of their amounts",
    )
    after: int = Field(
        0, ge=0, description="the window starts this many periods after the decision's own"
    )
    within: int = Field(1, ge=1, description="number of periods in the window")


class Settings(BaseModel):
    """How events become trajectories."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reward: RewardSettings = Field(RewardSettings(), description="the reward of a decision")
    attribution: int = Field(
        0,
        ge=0,
        description="a redemption is its bonus's cost up to this many periods after the bonus's "
        "own; a row waits until these periods are over",
    )
    activity_kinds: tuple[str, ...] | None = Field(
        None, description="kinds of activity that count; null: all"
    )
    lateness: int | None = Field(
        None,
        ge=0,
        description="an event that is ingested more than this many periods after its own goes to "
        "quarantine; null: an event is never too late, and what it touches is rebuilt",
    )
    max_lag: int = Field(
        1,
        ge=0,
        description="periods before a decision's that activity or bonuses may not have passed yet "
        "(the newest is often there in part); beyond it no state is made, and nothing allocated",
    )
    snapshots: int = Field(
        3, ge=1, description="number of carried states (the newest) that are kept"
    )
    periods_a_write: int = Field(
        128, ge=1, description="periods that one transaction replaces at most"
    )

    files_a_period: int = Field(
        8, ge=1, description="files of a period beyond which they are put together"
    )

    @property
    def label_reach(self) -> int:
        """Periods after its own that a decision's reward looks into."""
        return self.reward.after + self.reward.within - 1

    @property
    def reach(self) -> int:
        """Periods after its own that must be over before a decision's row is complete."""
        return max(self.label_reach, self.attribution)

    @property
    def rules(self) -> str:
        """The settings that change a row, as text."""
        how = {"snapshots", "periods_a_write", "files_a_period", "max_lag"}
        return json.dumps(self.model_dump(exclude=how), sort_keys=True)
