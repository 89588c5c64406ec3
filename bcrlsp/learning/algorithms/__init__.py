"""Learning algorithms: one file each, with its mathematics, its settings and one entry."""

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from pydantic import BaseModel

from bcrlsp.learning.task import Task, TrainedPolicy
from bcrlsp.registry import Registry

if TYPE_CHECKING:
    from bcrlsp.learning.q_algorithm import QAlgorithm


class Algorithm(Protocol):
    """An entry that trains by itself; most do not, and are a `QAlgorithm`: a loss, see there."""

    @property
    def options(self) -> type[BaseModel]:
        """Settings of its own, every field with a default."""
        ...

    def train(self, task: Task) -> TrainedPolicy:
        """Learns a policy; the task has been validated."""
        ...


Entry: TypeAlias = "Algorithm | QAlgorithm[Any]"

ALGORITHMS: Registry[Entry] = Registry("algorithm", __name__, "bcrlsp.algorithms")

__all__ = ["ALGORITHMS", "Algorithm", "Entry"]
