"""Settings of the allocation."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """Where scores lie between the passes and how the prices are searched.

    None of it changes the optimum, only time and memory.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    store: Literal["auto", "files", "delta"] = Field(
        "auto",
        description="blocks of scores as files below a folder that driver and workers see, or in a "
        "Delta table; auto: files where Spark is one machine, else a table",
    )
    location: str | None = Field(
        None,
        description="folder of the files, or path or name of the table; null: a temporary folder, "
        "or the table allocation_blocks beside the others",
    )
    block_users: int = Field(65_536, ge=1, description="users of a block")
    direct_users: int = Field(
        200, ge=1, description="up to this many users, the linear program is solved whole"
    )
    sample_users: int = Field(
        4096, ge=16, description="users of the sample whose own optimum starts the search"
    )
    core_users: int = Field(
        4096,
        ge=16,
        description="undecided users that are brought to the driver in a pass; at least 32 a group "
        "while these are no more than 32768",
    )
    tolerance: float = Field(
        1e-6, gt=0, description="relative gap of the linear program at which the search may end"
    )
    max_passes: int = Field(
        60, ge=1, description="passes over the users after which the best found is taken"
    )
