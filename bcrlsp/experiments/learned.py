"""Players that follow a trained policy, as the product scores and allocates."""

from collections.abc import Callable

import numpy as np

from bcrlsp.decisions.margin import planned_spend
from bcrlsp.experiments.contender import Contender, PolicyTrainer, Recipe
from bcrlsp.experiments.rollout import Allocator, Decision, Player, View
from bcrlsp.experiments.scenario import Scenario
from bcrlsp.experiments.scoring import Scorer
from bcrlsp.policies import Policy


def budgeted(title: str, recipe: Recipe, confidence: float | None = None) -> Contender:
    """Learned values and expected costs, and the budget program of each period over them.

    confidence: in place of a limit that is steered to the mean budget, each period's own budget
    less the margin with which it is kept so often.
    """

    def prepare(scenario: Scenario, scorer: Scorer, trainer: PolicyTrainer) -> Player:
        policy = trainer.policy(recipe, scenario, scorer)
        if confidence is None:
            return player(policy)
        record = trainer.record(policy)

        def limit(view: View) -> float:
            return planned_spend(view.budget, record, float(policy.amounts.max()), confidence)

        return player(policy, limit)

    return Contender(title, "events", prepare, recipe)


def player(policy: Policy, limit: Callable[[View], float] = lambda view: view.limit) -> Player:
    """Plays a policy's values and costs through the budget program of each period.

    limit: money that the program may plan to spend in a period.
    """
    allocator = Allocator()

    def decide(view: View) -> Decision:
        states = view.states
        value, cost = policy.evaluate(states)
        supported = policy.supported(states)
        allowed = None if supported.all() else supported
        return allocator.decide(value, cost, limit(view), allowed)

    return decide


def unbudgeted(title: str, recipe: Recipe) -> Contender:
    """Everybody gets the level of the largest learned value, whatever it costs."""

    def prepare(scenario: Scenario, scorer: Scorer, trainer: PolicyTrainer) -> Player:
        policy = trainer.policy(recipe, scenario, scorer)

        def decide(view: View) -> Decision:
            states = view.states
            levels = policy.probabilities(states).argmax(axis=1)
            cost = policy.costs(states)[np.arange(view.users), levels]
            return Decision(levels, float(cost.sum()))

        return decide

    return Contender(title, "events", prepare, recipe)
