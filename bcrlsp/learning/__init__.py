"""Offline learning of policies from trajectories, on RLlib."""

from bcrlsp.learning.reading import from_delta, from_frame
from bcrlsp.learning.settings import Settings
from bcrlsp.learning.task import TrainedPolicy
from bcrlsp.learning.training import train
from bcrlsp.learning.transitions import Transitions

__all__ = ["Settings", "TrainedPolicy", "Transitions", "from_delta", "from_frame", "train"]
