"""Learners that `auto` tries: one file each. An algorithm without one is trained as it is."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from bcrlsp.learning.auto.worlds import World
from bcrlsp.learning.recurrent.learner import Learned
from bcrlsp.learning.task import Task, TrainedPolicy
from bcrlsp.registry import Registry


@dataclass(frozen=True, eq=False)
class Bench:
    """What candidates are made from. task: the log and the settings. learned: the recurrent
    ensemble, which also judges. options: of the candidate's own. budget: money a user and period.
    """

    task: Task
    learned: Learned
    budget: float
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Offer:
    """What a candidate brings. trained: its policy. worlds: models of its own in which all rules
    are played besides."""

    trained: TrainedPolicy
    worlds: Sequence[World] = ()


class Candidate(Protocol):
    """What the registry holds."""

    def make(self, bench: Bench) -> Offer:
        """Learns. Raises a UserError where the log is not of its kind: it is left out."""
        ...


CANDIDATES: Registry[Candidate] = Registry("candidate", __name__, "bcrlsp.candidates")
