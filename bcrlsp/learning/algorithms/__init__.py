"""Learning algorithms: one file each, with its mathematics, its settings and one entry."""

from typing import Protocol

from pydantic import BaseModel

from bcrlsp.learning.task import Task, TrainedPolicy
from bcrlsp.registry import Registry


class Algorithm(Protocol):
    """What the registry holds. Most are a `QAlgorithm`; anything else that trains will do."""

    @property
    def options(self) -> type[BaseModel]:
        """Settings of its own, every field with a default."""
        ...

    def train(self, task: Task) -> TrainedPolicy:
        """Learns a policy; the task has been validated."""
        ...


ALGORITHMS: Registry[Algorithm] = Registry("algorithm", __name__, "bcrlsp.algorithms")

__all__ = ["ALGORITHMS", "Algorithm"]
