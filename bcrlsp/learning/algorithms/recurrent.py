"""A plan inside an ensemble of recurrent response models: see `bcrlsp.learning.recurrent`."""

from typing import cast

from bcrlsp.learning.algorithms import ALGORITHMS
from bcrlsp.learning.recurrent import Settings
from bcrlsp.learning.task import Task, TrainedPolicy


class Recurrent:
    """The entry of the registry."""

    options = Settings

    def train(self, task: Task) -> TrainedPolicy:
        """Fits the members, plans, and teaches the plans to a network."""
        from bcrlsp.learning.recurrent.learner import train

        return train(task, cast(Settings, task.options))


ALGORITHMS.register("recurrent")(Recurrent())
