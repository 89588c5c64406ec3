"""The best constant mix: two levels, the same chance of the higher one for everybody.

The pair is the one that retains most at the scenario's budget, which only the market's law tells.
"""

import numpy as np

from bcrlsp.experiments.contender import CONTENDERS, Contender, PolicyTrainer
from bcrlsp.experiments.rollout import Decision, Player, View
from bcrlsp.experiments.scenario import Scenario
from bcrlsp.experiments.scoring import Scorer
from bcrlsp.market.fluid import best_constant_mix


def _prepare(scenario: Scenario, scorer: Scorer, trainer: PolicyTrainer) -> Player:
    (low, high), _ = best_constant_mix(scenario.chain, scenario.budgets, scenario.initial)
    cost = scenario.usual_cost

    def decide(view: View) -> Decision:
        cheap, dear = cost[low] * view.users, cost[high] * view.users
        part = float(np.clip((view.limit - cheap) / (dear - cheap), 0, 1))
        levels = np.full(view.users, low)
        levels[view.rng.permutation(view.users)[: int(part * view.users)]] = high
        return Decision(levels, float(cost[levels].sum()))

    return decide


CONTENDERS.register("constant")(Contender("Best constant mix", "law", _prepare))
