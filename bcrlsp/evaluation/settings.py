"""Settings of off-policy evaluation."""

from pydantic import BaseModel, Field


class Settings(BaseModel, extra="forbid", frozen=True):
    """What the estimators and their warnings depend on, apart from the data."""

    folds: int = Field(
        3,
        ge=2,
        le=20,
        description="folds of users for cross-fitting; more is slower and less biased",
    )
    folds_on_ray: bool = Field(
        False,
        description="fit the folds as tasks of the Ray cluster that this process is connected to",
    )
    ridge: float = Field(
        1.0,
        gt=0,
        description="penalty of the regressions on standardised features, in rows: higher pulls "
        "each level to what is common to all levels; usual 0.1 to 100",
    )
    fourier_features: int = Field(
        96,
        ge=0,
        le=2048,
        description="random Fourier features beside the linear ones: more follow bends of the "
        "value more closely and cost time with their square; usual 32 to 256",
    )
    table_states: int = Field(
        64,
        ge=0,
        le=1024,
        description="up to this many distinct states each state has a value of its own instead",
    )
    heads: int = Field(4, ge=2, le=32, description="value heads that the REM estimator mixes")
    stationary: bool = Field(
        True,
        description="fitted Q uses every row for each number of periods left, which supposes that "
        "market and target do not change with the calendar; false uses only the rows with that "
        "many periods left, which is free of the supposition and noisier",
    )
    max_fit_rows: int = Field(
        400_000,
        ge=100,
        description="rows that models are fitted on (whole users, drawn by a hash); all rows are "
        "always evaluated. 400,000 rows take about 1 GB",
    )
    propensity_floor: float = Field(
        0.001,
        gt=0,
        lt=0.5,
        description="estimated propensities are raised to this; a level below it counts as one "
        "that the log does not cover",
    )
    resamples: int = Field(1000, ge=50, le=100_000, description="bootstrap resamples")
    value_range: tuple[float, float] | None = Field(
        None,
        description="known range of one user's contribution, for the empirical-Bernstein bound; "
        "without it the observed range stands in, with a warning",
    )
    min_effective_users: float = Field(
        10.0, ge=1, description="with a smaller effective sample size no number is given"
    )
    min_mean_weight: float = Field(
        0.5, ge=0, lt=1, description="with a mean weight below this (1 is right) no number is given"
    )
    max_uncovered: float = Field(
        0.02,
        gt=0,
        lt=1,
        description="with a larger share of the target's mass on levels that the log does not "
        "cover no number is given",
    )
