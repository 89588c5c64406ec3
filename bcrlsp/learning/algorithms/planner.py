"""A plan inside a learned model of the response: see `bcrlsp.planning.planner`."""

from bcrlsp.learning.algorithms import ALGORITHMS
from bcrlsp.learning.task import Task, TrainedPolicy
from bcrlsp.planning import Settings


class Planner:
    """The entry of the registry."""

    options = Settings

    def train(self, task: Task) -> TrainedPolicy:
        """Fits the model, plans, and teaches the plan to a network."""
        from bcrlsp.planning.planner import plan

        options = task.options
        assert isinstance(options, Settings)
        return plan(task, options)


ALGORITHMS.register("planner")(Planner())
