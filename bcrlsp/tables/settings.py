"""Where the tables are."""

import re

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from bcrlsp.places import absolute


class Settings(BaseModel):
    """Where the tables are: a folder (root), or a catalog and a schema."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    root: str | None = Field("lake", description="folder or URI that holds one folder a table")
    catalog: str | None = Field(None, description="catalog of the tables; then root must be null")
    schema_: str | None = Field(None, alias="schema", description="schema in that catalog")
    keep_versions: str = Field(
        "interval 60 days",
        description="how long old versions stay readable, so that a model can be reproduced",
    )

    @field_validator("root")
    @classmethod
    def _root(cls, value: str | None) -> str | None:
        if value is not None:
            absolute(value)
        return value

    @field_validator("keep_versions")
    @classmethod
    def _interval(cls, value: str) -> str:
        # Of months and years Delta does not know the length.
        if not re.fullmatch(r"interval [1-9]\d* (hour|day|week)s?", value):
            raise ValueError("allowed: hours, days or weeks, such as interval 60 days")
        return value

    @model_validator(mode="after")
    def _one_place(self) -> "Settings":
        if (self.catalog is None) != (self.schema_ is None):
            raise ValueError("catalog and schema are given together or not at all")
        if (self.root is None) == (self.catalog is None):
            raise ValueError("give either root, or catalog and schema (and root: null)")
        return self
