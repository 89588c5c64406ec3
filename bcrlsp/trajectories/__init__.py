"""Trajectories: events to the decisions, states, rewards and costs of every user and period."""

from bcrlsp.trajectories.build import BuildReport, build
from bcrlsp.trajectories.definitions import require_one_definition
from bcrlsp.trajectories.grid import forget_grid, require_grid
from bcrlsp.trajectories.segments import known_segments
from bcrlsp.trajectories.settings import RewardSettings, Settings
from bcrlsp.trajectories.sources import event_versions
from bcrlsp.trajectories.states import States, find_states, states_at, users_at

__all__ = [
    "BuildReport",
    "RewardSettings",
    "Settings",
    "States",
    "build",
    "event_versions",
    "find_states",
    "forget_grid",
    "known_segments",
    "require_grid",
    "require_one_definition",
    "states_at",
    "users_at",
]
