"""Users in random order get a random level until the budget is planned."""

import numpy as np

from bcrlsp.experiments.contender import CONTENDERS, Contender, PolicyTrainer
from bcrlsp.experiments.rollout import Decision, Player, View
from bcrlsp.experiments.scenario import Scenario
from bcrlsp.experiments.scoring import Scorer


def _prepare(scenario: Scenario, scorer: Scorer, trainer: PolicyTrainer) -> Player:
    cost = scenario.usual_cost

    def decide(view: View) -> Decision:
        levels = view.rng.integers(1, len(cost), view.users)
        order = view.rng.permutation(view.users)
        spent = np.cumsum(cost[levels[order]])
        levels[order[spent > view.limit]] = 0
        return Decision(levels, float(cost[levels].sum()))

    return decide


CONTENDERS.register("random")(Contender("Random", "events", _prepare))
