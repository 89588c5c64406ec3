"""What a contender of the comparison is, and where contenders are found."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from bcrlsp.experiments.rollout import Player
from bcrlsp.experiments.scene import Scene
from bcrlsp.experiments.scoring import Judge
from bcrlsp.policies import Policy
from bcrlsp.registry import Registry


class Workshop(Protocol):
    """Trains policies from the experiment's logs, each once."""

    def policy(self, algorithm: str) -> Policy:
        """The policy that an algorithm learns from the log of the present case."""


@dataclass(frozen=True)
class Contender:
    """One way to decide.

    title: its name in tables.
    knows: what it decides from: the events, as any policy in use; the market's law as well; or even
        the hidden state of each user.
    learns: whether it is trained from the log, so that the log's size matters to it.
    prepare: makes a player for a scene. The judge solves the oracle's program once a scene.
    """

    title: str
    knows: Literal["events", "law", "state"]
    learns: bool
    prepare: Callable[[Scene, Judge, Workshop], Player]


CONTENDERS: Registry[Contender] = Registry("contender", "bcrlsp.experiments.contenders")
