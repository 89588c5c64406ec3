"""A plan inside a learned model of the response: see `bcrlsp.learning.planner.planner`."""

from typing import cast

from bcrlsp.learning.algorithms import ALGORITHMS
from bcrlsp.learning.planner import Settings
from bcrlsp.learning.task import Task, TrainedPolicy


class Planner:
    """The entry of the registry."""

    options = Settings

    def train(self, task: Task) -> TrainedPolicy:
        """Fits the model, plans, and teaches the plan to a network."""
        from bcrlsp.learning.planner.planner import plan

        return plan(task, cast(Settings, task.options))


ALGORITHMS.register("planner")(Planner())
