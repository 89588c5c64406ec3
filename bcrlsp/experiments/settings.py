"""Settings of the experiments."""

import json
from typing import Any

from pydantic import BaseModel, Field


def _training(updates: int, **planner: int) -> dict[str, dict[str, Any]]:
    """Changes to the training settings: one thread, so that all machines find the same.

    planner: its options.
    """
    learners = {name: {"updates": updates, "threads": 1} for name in ("cql", "myopic", "bcorle")}
    return {**learners, "bcrlsp": {"threads": 1, "options": planner}}


class OpeSettings(BaseModel, extra="forbid", frozen=True):
    """How off-policy evaluation is judged against the simulated truth."""

    repetitions: int = Field(
        20, ge=0, description="logs drawn anew; an interval's coverage is counted over them"
    )
    users: int = Field(2_000, ge=50, description="users in each log")
    periods: int = Field(8, ge=1, description="periods of each log that are evaluated")
    truth_users: int = Field(
        200_000, ge=1_000, description="users who play the target for the truth it is held against"
    )
    gamma: float = Field(0.8, ge=0, le=1, description="discount a period")
    estimators: tuple[str, ...] = Field((), description="names of the estimators; empty: all")
    contender: str | None = Field(
        "cql",
        description="a learned contender whose policy, by its price, is evaluated as well as a "
        "policy near the log; null: the latter alone",
    )


class Settings(BaseModel, extra="forbid", frozen=True):
    """What is compared, and on how much data."""

    folder: str = Field(
        "artifacts/experiments", description="where results are kept, so that a run can resume"
    )
    seeds: int = Field(5, ge=1, description="repetitions: a log and users of their own each")
    users: int = Field(20_000, ge=100, description="users on whom every policy is played")
    periods: int = Field(30, ge=1, description="periods played")
    warmup: int = Field(
        45, ge=0, description="periods under the logging policy before that, for their history"
    )
    log_users: int = Field(200_000, ge=100, description="users in the log of the comparison")
    log_periods: int = Field(45, ge=2, description="periods in the log")
    row_users: int = Field(
        200_000,
        ge=100,
        description="users whose states learners hold in memory at once (11 kB a user and 45 "
        "periods); of a larger log they see this many, drawn at random",
    )
    budget: float = Field(
        1.0, gt=0, description="budget of the comparison, as a share of the logged spend"
    )
    budget_variation: float = Field(
        0.8, ge=0, le=1, description="how far a daily budget strays from its mean, as a share"
    )
    log_sizes: tuple[int, ...] = Field(
        (10_000, 20_000, 200_000, 1_000_000), description="log sizes compared; empty: not at all"
    )
    noises: tuple[float, ...] = Field(
        (0.0, 0.25, 0.5, 0.75, 1.0), description="noises of the logging policy compared"
    )
    no_send_probabilities: tuple[float, ...] = Field(
        (0.02, 0.5),
        description="the logging policy's chances of sending nothing compared; near 0 its log "
        "hardly covers a pause",
    )
    budgets: tuple[float, ...] = Field(
        (0.1, 0.25, 0.5, 1.0, 1.5, 2.0),
        description="budgets compared, as shares of the logged spend",
    )
    contenders: tuple[str, ...] = Field((), description="names of the contenders; empty: all")
    swept: tuple[str, ...] = Field(
        ("cql", "bcrlsp", "exact_filter"),
        description="contenders that are also compared over the varied settings",
    )
    tolerance: float = Field(
        0.02,
        gt=0,
        description="largest distance of realised spend from the budget that counts as equal",
    )
    training: dict[str, dict[str, Any]] = Field(
        _training(12_000),
        description="changes to the training settings, by recipe: cql, myopic, bcorle, bcrlsp",
    )
    ope: OpeSettings = Field(OpeSettings(), description="how estimators are judged")


def changes(settings: Settings) -> str:
    """What of the settings is not the default, as options of the command, but for the folder."""
    usual, held = (each.model_dump(mode="json") for each in (Settings(), settings))
    return "".join(
        f" --set 'experiment.{name}={json.dumps(value)}'"
        for name, value in held.items()
        if name != "folder" and value != usual[name]
    )


def quick(settings: Settings) -> Settings:
    """The same experiment in about five minutes on two cores: less data, fewer seeds.

    What was set on purpose stays as it was set.
    """
    ope = {"repetitions": 3, "users": 400, "truth_users": 20_000}
    smaller = {
        "seeds": 2,
        "users": 3_000,
        "log_users": 4_000,
        "log_sizes": (),
        "noises": (),
        "no_send_probabilities": (),
        "budgets": (0.5, 1.0),
        "budget_variation": 0.0,
        "swept": ("bcrlsp",),
        "training": _training(1_000, select_users=1_500, teach_users=1_500),
    }
    judged = settings.ope.model_copy(update=_unset(settings.ope, ope))
    return settings.model_copy(update={**_unset(settings, smaller), "ope": judged})


def _unset(settings: BaseModel, changes: dict[str, Any]) -> dict[str, Any]:
    """The changes of settings that nobody has set."""
    return {name: to for name, to in changes.items() if name not in settings.model_fields_set}
