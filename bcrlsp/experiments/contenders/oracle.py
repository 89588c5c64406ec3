"""The fluid oracle's own policy, played by real users who show it their hidden state."""

import numpy as np

from bcrlsp.experiments.contender import CONTENDERS, Contender, Workshop
from bcrlsp.experiments.rollout import Decision, Player, View
from bcrlsp.experiments.scene import Scene
from bcrlsp.experiments.scoring import Judge
from bcrlsp.market.fluid import flat


def _prepare(scene: Scene, judge: Judge, workshop: Workshop) -> Player:
    plan = judge.oracle.policy
    cost = flat(scene.chain.expected_cost)

    def decide(view: View) -> Decision:
        edges = np.cumsum(plan[view.period][view.hidden], axis=1)
        luck = view.luck.random((view.users, 1)) * edges[:, -1:]
        levels = (luck >= edges).sum(axis=1)
        return Decision(levels, float(cost[view.hidden, levels].sum()))

    return decide


CONTENDERS.register("oracle")(Contender("Oracle (fluid program)", "state", _prepare))
