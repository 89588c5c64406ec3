"""The true chance of a return in the period alone, by hidden state: perfect but myopic.

What a policy gains above it is owed to planning.
"""

from bcrlsp.experiments.contender import CONTENDERS, Contender, Workshop
from bcrlsp.experiments.rollout import Allocator, Decision, Player, View
from bcrlsp.experiments.scene import Scene
from bcrlsp.experiments.scoring import Judge
from bcrlsp.market.fluid import flat


def _prepare(scene: Scene, judge: Judge, workshop: Workshop) -> Player:
    value, cost = flat(scene.chain.return_probability), flat(scene.chain.expected_cost)
    allocator = Allocator()

    def decide(view: View) -> Decision:
        return allocator.decide(value[view.hidden], cost[view.hidden], view.limit)

    return decide


CONTENDERS.register("exact_myopic")(Contender("Exact myopic values", "state", _prepare))
