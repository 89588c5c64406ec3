"""The logging policy goes on: it has no budget, and its spend is its own."""

from bcrlsp.experiments.contender import CONTENDERS, Contender, Workshop
from bcrlsp.experiments.rollout import Decision, Player, View
from bcrlsp.experiments.scene import DECISIONS, Scene
from bcrlsp.experiments.scoring import Judge


def _prepare(scene: Scene, judge: Judge, workshop: Workshop) -> Player:
    logging = scene.logging(DECISIONS)

    def decide(view: View) -> Decision:
        levels = logging(view.history)
        return Decision(levels, float(scene.usual_cost[levels].sum()))

    return decide


CONTENDERS.register("behaviour")(Contender("Logging policy", "events", _prepare))
