"""Users in random order get a random level until the budget is planned."""

import numpy as np

from bcrlsp.experiments.contender import CONTENDERS, Contender, Workshop
from bcrlsp.experiments.rollout import Decision, Player, View
from bcrlsp.experiments.scene import Scene
from bcrlsp.experiments.scoring import Judge


def _prepare(scene: Scene, judge: Judge, workshop: Workshop) -> Player:
    cost = scene.usual_cost

    def decide(view: View) -> Decision:
        levels = view.luck.integers(1, len(cost), view.users)
        order = view.luck.permutation(view.users)
        spent = np.cumsum(cost[levels[order]])
        levels[order[spent > view.limit]] = 0
        return Decision(levels, float(cost[levels].sum()))

    return decide


CONTENDERS.register("random")(Contender("Random", "events", _prepare))
