"""Settings of the control loop."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class KafkaSettings(BaseModel):
    """A topic of requests: JSON values with request_id, user_id and request_ts (ISO, UTC)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    servers: str = Field(description="bootstrap servers, host:port, separated by commas")
    topic: str = Field(description="topic of the requests")
    options: dict[str, str] = Field(
        default_factory=dict, description="further options of Spark's Kafka source"
    )


class ControlSettings(BaseModel):
    """How `bcrlsp control` decides."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kafka: KafkaSettings | None = Field(
        None, description="where requests come from; null: the table requests"
    )
    trigger: str = Field("1 second", description="shortest time between micro-batches")
    files_a_batch: int = Field(
        100, ge=1, description="most new files of each table that one micro-batch takes in"
    )
    watermark: float = Field(
        3600.0,
        gt=0,
        description="seconds that a request may be late; a later one gets level 0 and says so",
    )
    life: float = Field(86400.0, gt=0, description="seconds in which a bonus can be redeemed")
    grace: float = Field(
        86400.0,
        ge=0,
        description="seconds after that at which its money goes back: the longest lag of the "
        "redemption feed and of clocks; a redemption that comes later still counts",
    )
    unit: float = Field(0.01, gt=0, description="smallest unit of money")
    cost: Literal["face", "expected"] = Field(
        "face", description="what a level costs at the price until a controller's first step"
    )
    controller: Literal["forecast", "mirror", "pid"] = Field(
        "forecast", description="how prices move: the LP on forecast, mirror descent, or PID"
    )
    step: float = Field(60.0, gt=0, description="seconds between steps of the controller")
    quantile: float | None = Field(
        None,
        gt=0.5,
        lt=1,
        description="null: no budget is ever passed. Else more is committed than the budget, so "
        "that what is redeemed stays within it with this probability",
    )
    rate_spread: float = Field(
        0.1,
        ge=0,
        description="with a quantile: standard deviation between days of the logarithm of the "
        "share of face value that is redeemed",
    )
    exploration: float = Field(
        0.0, ge=0, le=1, description="probability of any possible level in place of the best"
    )
    history_days: int = Field(
        28, ge=1, description="days of the log that arrivals and redemptions are learned from"
    )
    pace_band: float = Field(
        0.1, gt=0, description="alarm: spend off its plan by more than this share of the budget"
    )
    lag_alarm: float = Field(
        60.0, gt=0, description="alarm: seconds from a request to its decision"
    )
    budgets_every: float = Field(
        5.0, ge=0, description="seconds between looks at the table control_budgets"
    )
    port: int | None = Field(
        8080, ge=0, le=65535, description="port of the page on 127.0.0.1; 0: any; null: none"
    )
