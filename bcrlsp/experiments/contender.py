"""What a contender of the comparison is, and where contenders are found."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from bcrlsp.decisions.margin import SpendRecord
from bcrlsp.experiments.rollout import Player
from bcrlsp.experiments.scenario import Scenario
from bcrlsp.experiments.scoring import Scorer
from bcrlsp.policies import Policy
from bcrlsp.registry import Registry


@dataclass(frozen=True)
class Recipe:
    """How a policy is trained from the log.

    name: of the recipe, by which the experiment's settings may change it.
    algorithm: an entry of the registry of algorithms.
    fit: training settings that follow from the scenario's mean budget; None: there are none, and
        one policy serves all budgets.
    """

    name: str
    algorithm: str
    fit: Callable[[Scenario, Scorer], dict[str, Any]] | None = None


class PolicyTrainer(Protocol):
    """Trains policies from the log of the present case, each once."""

    def policy(self, recipe: Recipe, scenario: Scenario, scorer: Scorer) -> Policy:
        """The policy that a recipe gives, for the scenario's budget where it depends on it."""

    def record(self, policy: Policy) -> SpendRecord:
        """What the policy expects of the log's last decisions, and what these cost."""


@dataclass(frozen=True)
class Contender:
    """One way to decide.

    title: its name in tables.
    knows: what it decides from: the events, as any policy in use; the market's law as well; or even
        the hidden state of each user.
    prepare: makes a player for a scenario. The scorer solves the oracle's program once a scenario.
    recipe: how it is trained, where it learns from the log, so that the log's size matters to it.
    """

    title: str
    knows: Literal["events", "law", "state"]
    prepare: Callable[[Scenario, Scorer, PolicyTrainer], Player]
    recipe: Recipe | None = None


CONTENDERS: Registry[Contender] = Registry(
    "contender", "bcrlsp.experiments.contenders", "bcrlsp.contenders"
)
