"""Players that follow a trained policy, as the product scores and allocates."""

import numpy as np

from bcrlsp.experiments.contender import Contender, Recipe, Workshop
from bcrlsp.experiments.rollout import Allocator, Decision, Player, View
from bcrlsp.experiments.scene import Scene
from bcrlsp.experiments.scoring import Judge


def budgeted(title: str, recipe: Recipe) -> Contender:
    """Learned values and expected costs, and the budget program of each period over them."""

    def prepare(scene: Scene, judge: Judge, workshop: Workshop) -> Player:
        policy, allocator = workshop.policy(recipe, scene, judge), Allocator()

        def decide(view: View) -> Decision:
            states = view.states
            value, cost = policy.evaluate(states)
            supported = policy.supported(states)
            allowed = None if supported.all() else supported
            return allocator.decide(value, cost, view.limit, allowed)

        return decide

    return Contender(title, "events", prepare, recipe)


def unbudgeted(title: str, recipe: Recipe) -> Contender:
    """Everybody gets the level of the largest learned value, whatever it costs."""

    def prepare(scene: Scene, judge: Judge, workshop: Workshop) -> Player:
        policy = workshop.policy(recipe, scene, judge)

        def decide(view: View) -> Decision:
            states = view.states
            levels = policy.probabilities(states).argmax(axis=1)
            cost = policy.costs(states)[np.arange(view.users), levels]
            return Decision(levels, float(cost.sum()))

        return decide

    return Contender(title, "events", prepare, recipe)
