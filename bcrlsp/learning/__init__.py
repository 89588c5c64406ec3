"""Offline learning of policies from trajectories, on RLlib."""

from bcrlsp.learning.settings import Settings
from bcrlsp.learning.train import train
from bcrlsp.learning.transitions import Transitions

__all__ = ["Settings", "Transitions", "train"]
