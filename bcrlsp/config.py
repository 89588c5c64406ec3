"""The settings of a run: each package's own settings, put together, read from YAML.

A file names only what differs from the defaults; --set key=value wins over the file.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from bcrlsp import periods, session
from bcrlsp.command_settings import DemoSettings, EvaluationSettings, MlflowSettings
from bcrlsp.control.stream.settings import ControlSettings
from bcrlsp.decisions.settings import AllocationSettings
from bcrlsp.errors import ConfigError
from bcrlsp.events import Settings as EventSettings
from bcrlsp.experiments.settings import Settings as ExperimentSettings
from bcrlsp.learning import Settings as TrainingSettings
from bcrlsp.market import Settings as MarketSettings
from bcrlsp.places import absolute
from bcrlsp.tables import Settings as LakeSettings
from bcrlsp.trajectories import Settings as TrajectorySettings

DEFAULT_FILE = Path("conf/local.yaml")


class Config(BaseModel):
    """All settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = Field(0, ge=0, description="seed of every random draw")
    amounts: tuple[float, ...] = Field(
        (0.0, 1.0, 2.0, 3.0, 4.0, 5.0),
        description="face value of each bonus level, in money; level 0 sends nothing",
    )
    artifacts: str = Field("artifacts", description="folder or URI of policies and reports")
    source: str = Field("simulated market", description="what the events are, for the report")
    spark: session.Settings = session.Settings()
    lake: LakeSettings = LakeSettings()
    period: periods.Settings = periods.Settings()
    market: MarketSettings = MarketSettings()
    events: EventSettings = EventSettings()
    trajectories: TrajectorySettings = TrajectorySettings()
    training: TrainingSettings = TrainingSettings()
    allocation: AllocationSettings = AllocationSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    control: ControlSettings = ControlSettings()
    mlflow: MlflowSettings = MlflowSettings()
    demo: DemoSettings = DemoSettings()
    experiment: ExperimentSettings = ExperimentSettings()

    @field_validator("artifacts")
    @classmethod
    def _artifacts(cls, value: str) -> str:
        absolute(value)
        return value

    @field_validator("amounts")
    @classmethod
    def _amounts(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if len(value) < 2 or value[0] != 0 or not all(0 <= amount < 1e9 for amount in value):
            raise ValueError("allowed: at least two amounts, the first 0, none negative")
        return value


def load_config(path: str | None = None, overrides: Sequence[str] = ()) -> Config:
    """The settings from a YAML file, changed by "key=value" texts (dotted keys, YAML values).

    path: None reads conf/local.yaml where it exists, else the defaults.
    Raises ConfigError, one line, that names the file or option, the key, its value and what is
    allowed.
    """
    settings: dict[str, Any] = {}
    file = Path(path) if path is not None else DEFAULT_FILE
    if path is not None or file.exists():
        settings = _read(file)
    places: dict[str, str] = {}
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals or not key:
            raise ConfigError(f"--set {override}: allowed: key=value, such as training.gamma=0.9")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError:
            raise ConfigError(f"--set {override}: {text!r} is no YAML value") from None
        _put(settings, key.split("."), value, override)
        places[key] = f"--set {override}"
    try:
        return Config.model_validate(settings)
    except ValidationError as error:
        raise ConfigError(_first_line(error, file, places)) from None


def _read(file: Path) -> dict[str, Any]:
    try:
        held = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the settings {file}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        where = getattr(error, "problem_mark", None)
        line = f" at line {where.line + 1}" if where else ""
        raise ConfigError(f"the settings {file} are no YAML{line}") from None
    if held is None:
        return {}
    if not isinstance(held, dict):
        raise ConfigError(f"the settings {file} hold {held!r}; allowed: a mapping of keys")
    return held


def _put(settings: dict[str, Any], keys: list[str], value: Any, override: str) -> None:
    for key in keys[:-1]:
        inner = settings.setdefault(key, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"--set {override}: {key} holds {inner!r}, which has no keys inside")
        settings = inner
    settings[keys[-1]] = value


def _first_line(error: ValidationError, file: Path, places: dict[str, str]) -> str:
    first = error.errors(include_url=False)[0]
    path = [str(part) for part in first["loc"]]
    key = ".".join(path)
    place = next((told for name, told in places.items() if key.startswith(name)), str(file))
    if first["type"] == "extra_forbidden":
        return f"{place}: unknown setting {key}; allowed here: {', '.join(_siblings(path))}"
    message = first["msg"].removeprefix("Value error, ")
    value = f" = {first['input']!r}" if path and first["type"] != "missing" else ""
    return f"{place}: {key}{value}: {message}" if key else f"{place}: {message}"


def _siblings(path: list[str]) -> list[str]:
    model: Any = Config
    for part in path[:-1]:
        field = getattr(model, "model_fields", {}).get(part)
        model = field.annotation if field is not None else None
    fields = getattr(model, "model_fields", {})
    return sorted(info.alias or name for name, info in fields.items())
