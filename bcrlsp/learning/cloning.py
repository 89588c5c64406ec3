"""What algorithms share that clone the logging policy beside learning values."""

from pydantic import BaseModel, ConfigDict, Field

from bcrlsp.policies import HeadSpec
from bcrlsp.policies.manifest import BEHAVIOUR


class CloningOptions(BaseModel):
    """Settings of the cloning."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    imitation: float = Field(
        1.0,
        gt=0,
        description="weight of the cross-entropy. Higher finds the logged levels faster and the "
        "values slower. Usual: 0.1 to 1",
    )


def behaviour_head(amounts: tuple[float, ...]) -> HeadSpec:
    """The head of the logging policy's logits."""
    return HeadSpec(name=BEHAVIOUR, amounts=amounts)
