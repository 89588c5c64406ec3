"""Offline learning of policies from trajectories, on RLlib."""

from bcrlsp.learning.settings import Settings

__all__ = ["Settings"]
