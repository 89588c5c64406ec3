"""Scores at equal realised spend.

A contender's realised spend is steered to the budget, but never meets it exactly, and some
contenders have no budget at all. So each is held against what was possible with the very money
s_1..s_T that it spent, period by period:

    share = (R - C(s)) / (O(s) - C(s))

R is the contender's retention, C(s) that of the best constant mix of two levels which spends s, and
O(s) the fluid oracle's with s as its budgets, both exact and both from the hidden states in which
these users were. O is concave in the budgets with the oracle's prices as its gradient, so that

    O(s) <= O(b) + Σ_t price_t (s_t - b_t) / T

for any b that was solved: the bound used is the least of these, with a program solved anew where
the spend is far from all b. It lies above O(s), hence the share is never flattered.

R and s are free of most of the noise of the random draws. With V_t and Q_t the exact values of a
reference policy of the hidden state, for returns or for costs,

    R = 1/T [ E V_0(x_0) + Σ_t E_users( Q_t(x_t, a_t) - V_t(x_t) ) ]

holds for every policy (the performance difference lemma; Kakade and Langford 2002), and only the
contender's advantages over the reference are left to chance. The reference is the oracle's policy;
the realised spend of each period is scaled to the mean spend that the lemma gives.
"""

from dataclasses import dataclass

import numpy as np

from bcrlsp.experiments.rollout import Rollout
from bcrlsp.experiments.scenario import Scenario
from bcrlsp.market.chain import Chain, Floats
from bcrlsp.market.fluid import StatePolicy, best_constant_mix, flat, flow
from bcrlsp.market.oracle import Oracle, solve_oracle

# A spend path further than this (share of the mean budget) from every solved one is solved anew.
_FAR = 0.05
# Where the oracle gains less than this over a constant, shares of the gain mean nothing.
_LEAST_GAIN = 1e-4


@dataclass(frozen=True)
class Score:
    """A contender's result in one scenario.

    retention: share of users who return in a period, as expected. returned: as it was drawn.
    spend: money a user and period, as expected. paid: as it was drawn. budget: as it was asked.
    levels: share of decisions at each level.
    constant, bound: retention of the best constant mix and of the oracle at the same spend.
    share: of the oracle's gain over the constant; nan where there is nothing to gain.
    above: share of periods whose spend, as it was drawn, was above the period's budget.
    excess: the most that it was above, as a share of that budget.
    nothing: retention when nothing is sent.
    price: money for an extra return over sending nothing; nan where there is none.
    """

    retention: float
    returned: float
    spend: float
    paid: float
    budget: float
    levels: tuple[float, ...]
    constant: float
    bound: float
    share: float
    above: float
    excess: float
    nothing: float
    price: float


class Scorer:
    """Scores the rollouts of one scenario."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._chain = scenario.chain
        self._solved: list[tuple[Floats, Oracle]] = []

    @property
    def oracle(self) -> Oracle:
        """The fluid oracle of the scenario's own budgets."""
        return self._at(self._scenario.budgets)

    def bound(self, spend: Floats) -> float:
        """An upper bound on the retention of every policy that spends this: array (periods,)."""
        scale = float(self._scenario.budgets.mean())
        near = any(np.abs(spend - at).mean() <= _FAR * scale for at, _ in self._solved)
        if not near:
            self._at(spend)
        periods = len(spend)
        tangents = [
            found.value + float(found.prices @ (spend - at)) / periods for at, found in self._solved
        ]
        return min(tangents)

    def score(self, rollout: Rollout) -> Score:
        """The score of what a contender did."""
        scenario, history = self._scenario, rollout.history
        retention, mean = self._expected(rollout)
        paid = float(history.spend.mean())
        spend = history.spend * (mean / paid if paid > 0 else 1.0)
        constant = self._mix(spend)
        bound = self.bound(spend)
        nothing = self._nothing()
        gain, extra = bound - constant, retention - nothing
        over = history.spend / scenario.budgets - 1
        levels = np.bincount(history.levels.ravel(), minlength=self._chain.levels)
        return Score(
            retention=retention,
            returned=float(history.retention.mean()),
            spend=mean,
            paid=paid,
            budget=float(scenario.budgets.mean()),
            levels=tuple((levels / levels.sum()).tolist()),
            constant=constant,
            bound=bound,
            share=(retention - constant) / gain if gain > _LEAST_GAIN else float("nan"),
            above=float((over > 0).mean()),
            excess=max(0.0, float(over.max())),
            nothing=nothing,
            price=mean / extra if extra > 0 else float("nan"),
        )

    def _at(self, budgets: Floats) -> Oracle:
        for at, found in self._solved:
            if np.array_equal(at, budgets):
                return found
        found = solve_oracle(self._chain, budgets, self._scenario.initial)
        self._solved.append((budgets, found))
        return found

    def _mix(self, spend: Floats) -> float:
        _, played = best_constant_mix(self._chain, spend, self._scenario.initial)
        return float(played.retention.mean())

    def _nothing(self) -> float:
        silent = level_policy(self._chain, 0)
        played = flow(self._chain, silent, self._scenario.config.periods, self._scenario.initial)
        return float(played.retention.mean())

    def _expected(self, rollout: Rollout) -> tuple[float, float]:
        """Mean return and mean cost of a user and period."""
        chain, plan = self._chain, self.oracle.policy
        rewards = (chain.return_probability, chain.expected_cost)
        means = []
        for reward in rewards:
            values, qs = reference_values(chain, plan, flat(reward))
            total = float(self._scenario.initial @ values[0])
            for t, (states, levels) in enumerate(
                zip(rollout.hidden, rollout.history.levels, strict=True)
            ):
                total += float((qs[t][states, levels] - values[t][states]).mean())
            means.append(total / len(plan))
        return means[0], means[1]


def level_policy(chain: Chain, level: int) -> StatePolicy:
    """Everybody gets one level."""
    probabilities = np.zeros((int(np.prod(chain.shape)), chain.levels))
    probabilities[:, level] = 1

    def decide(period: int, mass: Floats) -> Floats:
        return probabilities

    return decide


def reference_values(chain: Chain, policy: Floats, reward: Floats) -> tuple[Floats, Floats]:
    """Exact values of a policy of the hidden state over the periods that it has.

    policy: array (periods, s, a). reward: array (s, a), expected in a period.
    Returns V (periods, s) and Q (periods, s, a): the sum expected from period t to the last.
    """
    chance = flat(chain.return_probability)
    after = chain.successors.reshape(2, *chance.shape)
    periods = len(policy)
    values = np.zeros((periods + 1, len(chance)))
    qs = np.zeros_like(policy)
    for t in reversed(range(periods)):
        following = values[t + 1]
        qs[t] = reward + chance * following[after[1]] + (1 - chance) * following[after[0]]
        values[t] = (policy[t] * qs[t]).sum(axis=1)
    return values[:-1], qs
