"""What a learning algorithm is given, and what it gives back."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pydantic import BaseModel

from bcrlsp.learning.settings import Settings
from bcrlsp.learning.transitions import Transitions
from bcrlsp.policies import Policy

Progress = Callable[[dict[str, float]], None]
"""Called once an iteration with that point of the learning curve."""


@dataclass(frozen=True)
class Task:
    """A training run, validated.

    options: the algorithm's own settings. amounts: face values of the levels, (a,).
    checkpoints: folder of resumable state, or None.
    """

    transitions: Transitions
    settings: Settings
    options: BaseModel
    feature_names: tuple[str, ...]
    feature_set: str
    amounts: tuple[float, ...]
    seed: int
    progress: Progress
    checkpoints: str | None = None

    @cached_property
    def identity(self) -> str:
        """SHA-256 of all that decides the result: see `bcrlsp.learning.identity`."""
        from bcrlsp.learning.identity import run_identity

        return run_identity(self)


@dataclass(frozen=True)
class TrainedPolicy:
    """policy: not yet saved. curve: one dict an iteration, key `update` and metrics of means over
    the iteration's updates, `holdout_…` on held-out users. metrics: of the policy returned.
    notes: what of the log was scaled, clipped or constant, a line each.
    """

    policy: Policy
    curve: list[dict[str, float]]
    metrics: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


Keep = Callable[[TrainedPolicy], object]
"""Called with what was learned while a killed run could still be resumed: it saves the policy."""


def no_progress(point: dict[str, Any]) -> None:
    """Shows nothing."""


def keeps_nothing(trained: TrainedPolicy) -> None:
    """Saves nothing."""
