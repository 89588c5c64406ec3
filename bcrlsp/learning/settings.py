"""Settings of a training run."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """How a policy is learned; what only one algorithm knows is in its own options."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    algorithm: str = Field("cql", description="an entry of the registry of algorithms")
    options: dict[str, Any] = Field(
        default_factory=dict, description="settings of the algorithm's own"
    )
    search: dict[str, tuple[Any, ...]] = Field(
        default_factory=lambda: {
            "gamma": (0.7, 0.8, 0.9),
            "learning_rate": (1e-4, 3e-4, 1e-3),
            "hidden": ((64, 64), (128, 128)),
        },
        description="values that `train --tune` draws from, by setting; options.NAME for one of "
        "the algorithm's own",
    )
    gamma: float = Field(
        0.8,
        ge=0,
        lt=1,
        description="discount a period. Higher looks further ahead and is noisier: differences "
        "between levels drown first. Usual: 0.7 to 0.95",
    )
    price: float = Field(
        0.0,
        allow_inf_nan=False,
        ge=0,
        description="value of a unit of money: training maximises reward - price x cost, so that "
        "later periods are worth what their budget leaves; near the dual price of the last "
        "allocation, in active periods a unit of money. Too high starves, 0 ignores the budget",
    )
    largest_price: float = Field(
        0.0,
        allow_inf_nan=False,
        ge=0,
        description="in place of one price, every price up to this: the network takes the price as "
        "an input and training draws it, so that a new budget needs no training (BCORLE(λ)). 0: "
        "one price. Higher covers tighter budgets and spreads the network thinner",
    )
    hidden: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (128, 128),
        min_length=1,
        description="widths of the hidden layers. Wider fits finer, needs more data and time. "
        "Usual: 64 to 256",
    )
    head: str = Field(
        "dueling",
        description="head of the values: plain, dueling, monotone (never falls in the amount), "
        "smooth (levels pooled over the amount)",
    )
    members: int = Field(
        1,
        ge=1,
        description="value heads side by side, each with a target of its own, whose mean is the "
        "value. More are steadier and slower. Usual: 1 to 10",
    )
    pessimism: float = Field(
        0.0,
        allow_inf_nan=False,
        ge=0,
        description="standard deviations over the members that a value is lowered by, in the "
        "targets and in the saved policy; 0 is their mean. Usual: 0 to 2",
    )
    n_step: int = Field(
        1,
        ge=1,
        description="rewards summed before the next value. More reaches further at once, follows "
        "the logged levels more and is noisier. Usual: 1 to 5",
    )
    batch_size: int = Field(
        1024, ge=2, description="transitions an update. Larger is steadier. Usual: 256 to 4096"
    )
    updates: int = Field(
        4000, ge=1, description="gradient steps in all. Usual: 2,000 to 50,000 by size of the data"
    )
    iteration: int = Field(
        500, ge=1, description="gradient steps between two points of the learning curve"
    )
    learning_rate: float = Field(
        3e-4,
        allow_inf_nan=False,
        gt=0,
        description="of Adam. Higher is faster and less steady. Usual: 1e-4 to 1e-3",
    )
    decay: Literal["cosine", "constant"] = Field(
        "cosine",
        description="course of the learning rate over the updates. cosine falls to 0 in the second "
        "half, which averages the noise of the batches out of the small differences between "
        "levels; constant keeps it",
    )
    weight_decay: float = Field(
        0.0,
        allow_inf_nan=False,
        ge=0,
        description="AdamW's decay a step. Higher smooths the values. Usual: 0 to 1e-2",
    )
    clip_gradient: float = Field(
        10.0, gt=0, description="largest norm of a gradient. Lower tames outliers. Usual: 1 to 40"
    )
    target_rate: float = Field(
        0.005,
        gt=0,
        le=1,
        description="share of the way that the target network goes each step. Higher learns faster "
        "and is less stable. Usual: 0.001 to 0.02",
    )
    cost_weight: float = Field(
        1.0,
        allow_inf_nan=False,
        ge=0,
        description="weight of the expected cost's loss beside the value's. Usual: 0.1 to 1",
    )
    discounted_cost: bool = Field(
        False,
        description="whether the network also learns what a user costs from now on under the "
        "policy, discounted, which allocation.cost = discounted divides the budget by",
    )
    holdout: float = Field(
        0.1, ge=0, lt=1, description="share of users kept from training, to measure errors on"
    )
    patience: int | None = Field(
        None,
        ge=1,
        description="stop after so many iterations without a lower TD error on held-out users, and "
        "keep the best; null: all updates. The TD error says nothing of the policy's return",
    )
    learners: int = Field(
        0, ge=0, description="Ray learners that share each batch; 0: in this process, without Ray"
    )
    threads: int | None = Field(None, ge=1, description="threads of torch; null: as torch decides")
