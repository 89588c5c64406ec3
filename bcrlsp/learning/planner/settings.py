"""Settings of the planner."""

from pydantic import BaseModel, Field


class Settings(BaseModel, extra="forbid", frozen=True):
    """A learned response model, planning inside it, and a network that knows the plan's values.

    The width of the network's layers, the share of users held out and the threads are those of the
    training settings. Discount and price are here: values that are computed have no sampling noise,
    and can look further ahead than learned ones.
    """

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
        "of money follows; null: as much as the log spent. Higher plans for later bonuses",
    )
    price: float | None = Field(
        None,
        ge=0,
        description="value of a unit of money in active periods, in place of the one that fits the "
        "budget. Too high starves later periods, 0 takes them for free",
    )
    pessimism: float = Field(
        0.5,
        ge=0,
        description="standard errors of the fitted response by which a level's advantage over "
        "sending nothing is lowered. Higher keeps closer to what the log shows. Usual: 0 to 2",
    )
    select_users: int = Field(
        4_000,
        ge=20,
        description="users on whom structures of the model are fitted, and as many on whom they "
        "are compared. More tells finer differences, and takes longer. Usual: 2,000 to 20,000",
    )
    fit_users: int = Field(
        40_000,
        ge=20,
        description="most users on whom the chosen model is fitted. More is more precise, and time "
        "grows with it. Usual: 20,000 to 200,000",
    )
    iterations: int = Field(150, ge=1, description="most iterations of that fit. Usual: 100 to 300")
    teach_users: int = Field(
        4_000,
        ge=20,
        description="users whose histories, logged and continued under the plan, the network is "
        "taught on. More covers rare states. Usual: 2,000 to 20,000",
    )
    horizon: int = Field(
        40,
        ge=1,
        description="periods by which each history is continued under the plan. Usual: 30 to 60",
    )
    exploration: float = Field(
        0.1,
        ge=0,
        le=1,
        description="share of levels drawn at random as histories are continued, so that the "
        "network also knows states beside the plan's path. Usual: 0.05 to 0.3",
    )
    epochs: int = Field(
        20, ge=1, description="times that each taught state is shown. Usual: 5 to 40"
    )
    learning_rate: float = Field(
        3e-3, gt=0, description="highest step of Adam, reached after a tenth. Usual: 5e-4 to 3e-3"
    )
