"""What is said of a policy beside its weights."""

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bcrlsp.policies.network import NetworkSpec

VALUE, COST, BEHAVIOUR, DISCOUNTED_COST = "q", "cost", "behaviour", "cost_ahead"


class Manifest(BaseModel):
    """What is said of a policy beside its weights; policy.json of a saved policy."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    format: Literal[1] = 1
    # Also the name of the policy's folder: never one that leads out of it.
    policy_id: str = Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]*$", max_length=200)
    algorithm: str = Field(min_length=1)
    amounts: tuple[Annotated[float, Field(ge=0)], ...] = Field(
        min_length=2, description="face value of each level, money; level 0 is 0"
    )
    feature_names: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        min_length=1, description="what each column of a state is; each its own name"
    )
    feature_set: str = Field(min_length=1, description="hash of the features' declaration")
    gamma: float = Field(ge=0, le=1, description="discount a period that the values are of")
    price: float = Field(
        0.0,
        ge=0,
        description="value that training took off a unit of cost: the q head is net of it",
    )
    largest_price: float = Field(
        0.0,
        ge=0,
        description="where above 0, the network's last input is a price of money up to this, which "
        "the q head is net of",
    )
    cost_unit: float = Field(1.0, gt=0, description="money that one unit of the cost head is")
    reward_scale: float = Field(
        1.0, gt=0, description="rewards that one unit of the q head (and the v head) is"
    )
    value_base: float = Field(
        0.0, description="what is added to what the q head (and the v head) gives, in rewards"
    )
    support: float = Field(
        0.0,
        ge=0,
        le=1,
        description="a level is supported where its logged probability is at least this share of "
        "the likeliest level's; 0: every level is",
    )
    network: NetworkSpec

    @model_validator(mode="after")
    def _agrees(self) -> "Manifest":
        if self.amounts[0] != 0:
            raise ValueError(f"level 0 has the amount {self.amounts[0]:g}; allowed: 0")
        if any(above <= below for below, above in pairwise(self.amounts)):
            raise ValueError(
                f"the amounts are {_told(self.amounts)}; allowed: each above the one before"
            )
        if self.price and self.largest_price:
            raise ValueError("price and largest_price are both above 0; allowed: one of them")
        twice = {name for name in self.feature_names if self.feature_names.count(name) > 1}
        if twice:
            raise ValueError(f"two features are named {min(twice)}; allowed: a name each")
        if len(self.feature_names) + (self.largest_price > 0) != self.network.inputs:
            raise ValueError(
                f"{len(self.feature_names)} feature names for {self.network.inputs} inputs"
            )
        names = [head.name for head in self.network.heads]
        if not {VALUE, COST} <= set(names):
            raise ValueError(f"the network needs the heads q and cost; it has {', '.join(names)}")
        for name in (VALUE, COST, BEHAVIOUR, DISCOUNTED_COST):
            if name in names and self.network.head(name).amounts != self.amounts:
                raise ValueError(
                    f"the head {name} is of the amounts {_told(self.network.head(name).amounts)} "
                    f"and the policy of {_told(self.amounts)}; allowed: the same"
                )
        if self.support and BEHAVIOUR not in names:
            raise ValueError("support needs a behaviour head")
        return self


def _told(amounts: tuple[float, ...]) -> str:
    return ", ".join(f"{amount:g}" for amount in amounts)
