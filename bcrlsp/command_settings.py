"""Settings of single commands; those of the libraries behind them live with the libraries."""

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bcrlsp.allocation import Budget
from bcrlsp.allocation.settings import Settings as Search
from bcrlsp.errors import UserError
from bcrlsp.evaluation import Settings as Estimation

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


class EvaluationSettings(BaseModel):
    """How a policy is evaluated from the logs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    estimators: tuple[str, ...] = Field(
        ("dr",),
        min_length=1,
        description="names of estimators, each is run; the first also by segment of the users",
    )
    segments: int = Field(
        20, ge=1, description="largest segments told apart; the smaller ones are put together"
    )
    gamma: float = Field(
        0.8,
        ge=0,
        le=1,
        description="discount a period of the retention and cost that are estimated",
    )
    most_rows: int = Field(
        4_000_000,
        ge=1,
        description="a window of more rows is evaluated on whole users drawn at random, about as "
        "many rows: they are read on the driver, some 500 bytes each",
    )
    estimation: Estimation = Field(Estimation(), description="what all estimators share")


class MlflowSettings(BaseModel):
    """Where training runs are tracked, if anywhere."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    experiment: str | None = Field(
        None, description="MLflow experiment that each training run is logged to; null: none"
    )
    uri: str | None = Field(
        None, description="tracking server; null: as MLflow itself finds it (MLFLOW_TRACKING_URI)"
    )
    model: str | None = Field(
        None, description="registered model that each policy is a new version of; null: none"
    )

    @model_validator(mode="after")
    def _has_experiment(self) -> "MlflowSettings":
        if self.model is not None and self.experiment is None:
            raise ValueError("model is given without an experiment; give both, or neither")
        return self


class DemoSettings(BaseModel):
    """What the demonstration runs on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str = Field("simulated", description="event source")
    algorithm: str | None = Field(
        None, description="algorithm that the policy is trained with; null: training.algorithm"
    )
    users: int = Field(20_000, ge=100, description="users of the simulated market")
    periods: int = Field(45, ge=10, description="logged periods of the simulated market")
    held_out: int = Field(
        7, ge=1, description="last periods, kept from training, on which the policy is evaluated"
    )
