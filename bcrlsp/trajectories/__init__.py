"""Trajectories: events to the decisions, states, rewards and costs of every user and period."""

from bcrlsp.trajectories.build import BuildReport, build
from bcrlsp.trajectories.settings import RewardSettings, Settings
from bcrlsp.trajectories.states import states_at, users_at

__all__ = ["BuildReport", "RewardSettings", "Settings", "build", "states_at", "users_at"]
