"""Settings of the recurrent response model and of the plan in it."""

from pydantic import BaseModel, Field


class Settings(BaseModel, extra="forbid", frozen=True):
    """An ensemble of recurrent response models, a plan in each, and a network that knows the plans.

    The width of that network's layers and the threads are those of the training settings.
    """

    members: int = Field(
        4,
        ge=2,
        description="response models, each fitted without another part of the users. More are "
        "steadier and slower. Usual: 3 to 8",
    )
    fit_users: int = Field(
        40_000,
        ge=20,
        description="most users whose histories are used. More is more precise, time grows with it",
    )
    hidden: int = Field(
        64, ge=2, description="width of the response networks' layers. Usual: 32 to 128"
    )
    updates: int = Field(
        1_600, ge=1, description="steps of each fit. More fits finer. Usual: 1,000 to 5,000"
    )
    batch: int = Field(2_048, ge=2, description="rows a step. Larger is steadier")
    learning_rate: float = Field(3e-3, gt=0, description="highest step of AdamW, of one cycle")
    weight_decay: float = Field(
        1e-2, ge=0, description="AdamW's decay. Higher smooths the response. Usual: 1e-3 to 1e-1"
    )
    gamma: float = Field(
        0.95,
        ge=0,
        lt=1,
        description="discount a period of the plan. Higher looks further ahead. Usual: 0.9 to 0.97",
    )
    budget: float | None = Field(
        None,
        ge=0,
        description="money a user and period that the plan expects to have, from which the price "
        "of money follows; null: as much as the log spent",
    )
    price: float | None = Field(
        None, ge=0, description="value of a unit of money, in place of the one that fits the budget"
    )
    pessimism: float = Field(
        0.5,
        ge=0,
        description="standard deviations over the members by which a level's advantage over "
        "sending nothing is lowered. Higher keeps to what the members agree on. Usual: 0 to 2",
    )
    plan_users: int = Field(
        1_500,
        ge=1,
        description="users simulated at a time as the plan is made. Usual: 500 to 4,000",
    )
    plan_horizon: int = Field(
        20, ge=1, description="periods that each of them is followed. Usual: 15 to 40"
    )
    rounds: int = Field(
        3, ge=1, description="times that users are simulated anew under the plan. Usual: 2 to 5"
    )
    sweeps: int = Field(
        16, ge=1, description="iterations of the values in each round. Usual: 10 to 30"
    )
    groups: int = Field(
        1_500,
        ge=1,
        description="states of them behind which the values are fitted. Usual: 1,000 to 5,000",
    )
    exploration: float = Field(
        0.15, ge=0, le=1, description="share of levels drawn at random as users are simulated"
    )
    teach_users: int = Field(
        4_000,
        ge=2,
        description="users whose histories, logged and continued, the network is taught on",
    )
    horizon: int = Field(
        36, ge=1, description="periods by which each history is continued. Usual: 30 to 60"
    )
    student_epochs: int = Field(20, ge=1, description="times that each taught state is shown")
    student_rate: float = Field(3e-3, gt=0, description="highest step of the network's Adam")
