"""The fluid oracle's own policy, played by real users who show it their hidden state."""

import numpy as np

from bcrlsp.experiments.contender import CONTENDERS, Contender, PolicyTrainer
from bcrlsp.experiments.rollout import Decision, Player, View
from bcrlsp.experiments.scenario import Scenario
from bcrlsp.experiments.scoring import Scorer
from bcrlsp.market.fluid import flat


def _prepare(scenario: Scenario, scorer: Scorer, trainer: PolicyTrainer) -> Player:
    plan = scorer.oracle.policy
    cost = flat(scenario.chain.expected_cost)

    def decide(view: View) -> Decision:
        edges = np.cumsum(plan[view.period][view.hidden], axis=1)
        draws = view.rng.random((view.users, 1)) * edges[:, -1:]
        levels = (draws >= edges).sum(axis=1)
        return Decision(levels, float(cost[view.hidden, levels].sum()))

    return decide


CONTENDERS.register("oracle")(Contender("Oracle (fluid program)", "state", _prepare))
