"""Players that follow a trained policy, as the product scores and allocates."""

from collections.abc import Callable

import numpy as np

from bcrlsp.experiments.contender import Workshop
from bcrlsp.experiments.rollout import Allocator, Decision, Player, View
from bcrlsp.experiments.scene import Scene
from bcrlsp.experiments.scoring import Judge
from bcrlsp.policies import Policy

Prepare = Callable[[Scene, Judge, Workshop], Player]


def budgeted(algorithm: str) -> Prepare:
    """Learned values and expected costs, and the budget program of each period over them."""

    def prepare(scene: Scene, judge: Judge, workshop: Workshop) -> Player:
        return budget_player(workshop.policy(algorithm))

    return prepare


def budget_player(policy: Policy) -> Player:
    """The player of a trained policy under a budget."""
    allocator = Allocator()

    def decide(view: View) -> Decision:
        states = view.states
        value, cost = policy.evaluate(states)
        supported = policy.supported(states)
        allowed = None if supported.all() else supported
        return allocator.decide(value, cost, view.limit, allowed)

    return decide


def unbudgeted(algorithm: str) -> Prepare:
    """Everybody gets the level of the largest learned value, whatever it costs."""

    def prepare(scene: Scene, judge: Judge, workshop: Workshop) -> Player:
        policy = workshop.policy(algorithm)

        def decide(view: View) -> Decision:
            states = view.states
            levels = policy.probabilities(states).argmax(axis=1)
            cost = policy.costs(states)[np.arange(view.users), levels]
            return Decision(levels, float(cost.sum()))

        return decide

    return prepare
