"""The true chance of a return in the period alone, by hidden state: perfect but myopic.

What a policy gains above it is owed to planning.
"""

from bcrlsp.experiments.contender import CONTENDERS, Contender, PolicyTrainer
from bcrlsp.experiments.rollout import Allocator, Decision, Player, View
from bcrlsp.experiments.scenario import Scenario
from bcrlsp.experiments.scoring import Scorer
from bcrlsp.market.fluid import flat


def _prepare(scenario: Scenario, scorer: Scorer, trainer: PolicyTrainer) -> Player:
    value, cost = flat(scenario.chain.return_probability), flat(scenario.chain.expected_cost)
    allocator = Allocator()

    def decide(view: View) -> Decision:
        return allocator.decide(value[view.hidden], cost[view.hidden], view.limit)

    return decide


CONTENDERS.register("exact_myopic")(Contender("Exact myopic values", "state", _prepare))
