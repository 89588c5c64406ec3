"""Several learners, judged on users that they have not seen: see `bcrlsp.learning.auto`."""

from typing import cast

from bcrlsp.learning.algorithms import ALGORITHMS
from bcrlsp.learning.auto import Settings
from bcrlsp.learning.task import Task, TrainedPolicy


class Auto:
    """The entry of the registry."""

    options = Settings

    def train(self, task: Task) -> TrainedPolicy:
        """Learns the candidates, judges them, and gives back the surest one."""
        from bcrlsp.learning.auto.choose import choose

        return choose(task, cast(Settings, task.options))


ALGORITHMS.register("auto")(Auto())
