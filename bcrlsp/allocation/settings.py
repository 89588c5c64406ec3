"""Settings of the allocation."""

from pydantic import BaseModel, ConfigDict, Field


class Search(BaseModel):
    """How the prices are searched. The defaults suit any size; the optimum does not depend on it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    direct_users: int = Field(
        400, ge=1, description="up to this many users, the linear program is solved whole"
    )
    sample_users: int = Field(
        8192, ge=16, description="users of the sample whose own optimum starts the search"
    )
    core_users: int = Field(
        8192, ge=16, description="users near a change of level that are brought to the driver a pass"
    )
    tolerance: float = Field(
        1e-6, gt=0, description="relative gap of the linear program at which the search may end"
    )
    max_passes: int = Field(
        60, ge=1, description="passes over the users after which the best found is taken"
    )
