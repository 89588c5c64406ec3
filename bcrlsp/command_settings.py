"""Settings of single commands; those of the libraries behind them live with the libraries."""

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bcrlsp.evaluation import Settings as Estimation


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
