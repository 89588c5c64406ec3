"""Settings of a period's decisions."""

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bcrlsp.allocation.problem.budget import Budget
from bcrlsp.allocation.settings import Settings as Search
from bcrlsp.errors import UserError

Value = str | int | float | bool


class BudgetSettings(BaseModel):
    """One budget of every period."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(description="unique name: the key of its price and spend")
    limit: float = Field(math.inf, description="most that may be used; .inf: only a floor")
    groups: tuple[Value, ...] | dict[str, tuple[Value, ...]] | None = Field(
        None, description="segments that it counts, or values by column; null: all users"
    )
    levels: tuple[int, ...] | None = Field(None, description="levels that it counts; null: all")
    measure: str = Field("cost", description="cost (money) or count (users)")
    minimum: float | None = Field(None, description="least that must be used")

    @model_validator(mode="after")
    def _valid(self) -> "BudgetSettings":
        try:
            self.budget()
        except UserError as mistake:
            raise ValueError(str(mistake)) from None
        return self

    def budget(self) -> Budget:
        """The budget that these settings describe."""
        return Budget(
            self.name, self.limit, self.groups, self.levels, self.measure, minimum=self.minimum
        )


class AllocationSettings(BaseModel):
    """How a period is allocated."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cost: Literal["face", "expected", "discounted"] = Field(
        "face",
        description="what a level costs in the LP: face, its amount, so that spend can never pass "
        "the budget; expected, what the policy expects to be redeemed, against the budget less a "
        "margin (confidence); discounted, what the user is expected to cost from now on, against "
        "a budget for that long (training.discounted_cost)",
    )
    confidence: float | None = Field(
        0.99,
        gt=0.5,
        lt=1,
        description="where cost is expected: probability with which a period's realised spend is "
        "to stay within each budget; the margin that this takes is held back of the limit. null: "
        "no margin, spend is above the budget in about half of the periods",
    )
    margin_periods: int = Field(
        14,
        ge=2,
        description="past periods in which expected and realised costs are compared for the margin",
    )
    budgets: tuple[BudgetSettings, ...] = Field((), description="budgets of every period")
    search: Search = Field(
        Search(), description="where scores lie between the passes, how the prices are searched"
    )
