"""What decisions are made with."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from bcrlsp.decisions.settings import AllocationSettings
from bcrlsp.features import FeatureSet
from bcrlsp.periods import Calendar
from bcrlsp.tables import Lake
from bcrlsp.trajectories import Settings as TrajectorySettings


def _says_nothing(line: str) -> None:
    """Takes a line of progress that nobody reads."""


def _no_stage(title: str) -> AbstractContextManager[None]:
    """A stage that nobody follows."""
    return nullcontext()


@dataclass(frozen=True)
class Deployment:
    """Tables, grid, features and settings; a notebook makes one as the command line does.

    amounts: face value of every level. log: takes a line of progress. stage: says that a stage of
    this title begins, and when it has ended.
    """

    lake: Lake
    calendar: Calendar
    feature_set: FeatureSet
    amounts: tuple[float, ...]
    allocation: AllocationSettings
    trajectories: TrajectorySettings
    log: Callable[[str], None] = _says_nothing
    stage: Callable[[str], AbstractContextManager[None]] = _no_stage
