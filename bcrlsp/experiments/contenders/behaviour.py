"""The logging policy goes on: it has no budget, and its spend is its own."""

from bcrlsp.experiments.contender import CONTENDERS, Contender, PolicyTrainer
from bcrlsp.experiments.rollout import Decision, Player, View
from bcrlsp.experiments.scenario import DECISIONS, Scenario
from bcrlsp.experiments.scoring import Scorer


def _prepare(scenario: Scenario, scorer: Scorer, trainer: PolicyTrainer) -> Player:
    logging = scenario.logging(DECISIONS)

    def decide(view: View) -> Decision:
        levels = logging(view.history)
        return Decision(levels, float(scenario.usual_cost[levels].sum()))

    return decide


CONTENDERS.register("behaviour")(Contender("Logging policy", "events", _prepare))
