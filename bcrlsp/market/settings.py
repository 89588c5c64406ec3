"""Settings of the simulated market."""

from pydantic import BaseModel, Field, model_validator


class UserType(BaseModel, extra="forbid", frozen=True):
    """One hidden kind of user.

    With no bonus a user returns with probability sigmoid(base + slope * habit); a bonus brings back
    a part of those who would have stayed away: lift * (1 - exp(-amount / scale)) * wear^fatigue.
    """

    share: float = Field(gt=0, le=1, description="share of the users; the shares add up to 1")
    base: float = Field(description="log-odds of returning at habit 0 without a bonus")
    slope: float = Field(
        ge=0, description="what a step of habit adds to the log-odds; higher: a return lasts longer"
    )
    lift: float = Field(
        ge=0,
        le=1,
        description="share of those who would stay away that an endless bonus would bring back",
    )
    scale: float = Field(
        gt=0, description="amount at which 63 % of the lift is reached; lower: cheap bonuses do"
    )
    wear: float = Field(
        gt=0, le=1, description="what is left of the lift for each step of fatigue; 1: no wear"
    )
    redeem: float = Field(
        0.9, ge=0, le=1, description="probability that a returning user redeems the bonus"
    )


class BehaviourSettings(BaseModel, extra="forbid", frozen=True):
    """The policy that wrote the log. It sees returns and bonuses, never a hidden state."""

    noise: float = Field(
        0.5,
        ge=0,
        le=1,
        description="0: which bonus a user gets follows from the history; 1: any level above 0 "
        "with the same chance",
    )
    no_send_probability: float = Field(
        0.5,
        ge=0,
        lt=1,
        description="chance of sending nothing, on average over histories; near 0 a pause is "
        "hardly ever seen in the log, and what it is worth cannot be learned",
    )
    no_send_variation: float = Field(
        0.1,
        ge=0,
        le=0.5,
        description="how much that chance rises after a recent bonus and falls after long absence",
    )


class Settings(BaseModel, extra="forbid", frozen=True):
    """The market: its types of users, its states, its log."""

    types: tuple[UserType, ...] = Field(
        (
            UserType(share=0.25, base=-0.5, slope=0.30, lift=0.22, scale=2.2, wear=0.80),
            UserType(share=0.25, base=-2.2, slope=0.10, lift=0.40, scale=2.5, wear=0.63),
            UserType(share=0.30, base=-2.35, slope=0.60, lift=0.28, scale=1.4, wear=0.74),
            UserType(share=0.20, base=-2.6, slope=0.25, lift=0.18, scale=3.0, wear=0.85),
        ),
        min_length=1,
        description="the hidden kinds of users",
    )
    habits: int = Field(7, ge=2, description="steps of habit: one up at each return, else one down")
    fatigues: int = Field(
        5, ge=1, description="steps of fatigue: one up at each bonus, else one down"
    )
    behaviour: BehaviourSettings = Field(
        BehaviourSettings(), description="the policy that wrote the log"
    )
    newcomers: float = Field(
        0.1, ge=0, le=1, description="share of the users who sign up after the first period"
    )
    segments: tuple[str, ...] = Field(
        ("north", "south", "east", "west"),
        min_length=1,
        description="names of the visible segments; users of type k lean to segment k",
    )
    segment_lean: float = Field(
        0.15,
        ge=0,
        le=1,
        description="how much the segment tells about the type: 0 nothing, 1 everything",
    )

    @model_validator(mode="after")
    def _shares(self) -> "Settings":
        total = sum(kind.share for kind in self.types)
        if abs(total - 1) > 1e-9:
            raise ValueError(f"the shares of the types add up to {total:g}; allowed: 1")
        return self
