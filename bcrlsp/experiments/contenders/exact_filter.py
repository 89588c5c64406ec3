"""Exact values behind a Bayes filter: what perfect learning would reach.

It knows the market's law and the oracle's prices, but not the state of a user: that it infers from
the events. Values are those of return - price * cost to the last period by dynamic programming;
what a level is worth to a user is their mean over the filter's belief, and the period's budget
program decides over worth + price * cost of the period itself.
"""

import numpy as np

from bcrlsp.experiments.contender import CONTENDERS, Contender, PolicyTrainer
from bcrlsp.experiments.rollout import Allocator, Decision, Player, View
from bcrlsp.experiments.scenario import Scenario
from bcrlsp.experiments.scoring import Scorer
from bcrlsp.market.belief import Belief
from bcrlsp.market.chain import Chain, Floats
from bcrlsp.market.fluid import flat


def _prepare(scenario: Scenario, scorer: Scorer, trainer: PolicyTrainer) -> Player:
    values = priced_values(scenario.chain, scorer.oracle.prices)
    cost = flat(scenario.chain.expected_cost)
    belief = Belief(scenario.chain, scenario.config.users)
    belief.follow(scenario.past)
    known = scenario.past.periods
    allocator = Allocator()

    def decide(view: View) -> Decision:
        nonlocal known
        if view.history.periods > known:
            belief.update(view.history.levels[-1], view.history.returned[-1])
            known = view.history.periods
        value = belief.expect(values[view.period])
        return allocator.decide(value, belief.expect(cost), view.limit)

    return decide


def priced_values(chain: Chain, prices: Floats) -> Floats:
    """Value of each level in its own period and after: array (periods, s, a), float64.

    Q_t(s, a) = P(return | s, a) + E max_a' [Q_{t+1}(s', a') - price_{t+1} cost(s', a')]; the price
    of the period itself is left to its budget program. prices: array (periods,).
    """
    chance, cost = flat(chain.return_probability), flat(chain.expected_cost)
    after = chain.successors.reshape(2, *chance.shape)
    values = np.zeros((len(prices), *chance.shape))
    best = np.zeros(len(chance))
    for t in reversed(range(len(prices))):
        values[t] = chance * (1 + best[after[1]]) + (1 - chance) * best[after[0]]
        best = (values[t] - prices[t] * cost).max(axis=1)
    return values


CONTENDERS.register("exact_filter")(Contender("Exact values, Bayes filter", "law", _prepare))
