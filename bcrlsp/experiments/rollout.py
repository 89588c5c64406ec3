"""Plays a policy on the simulated market, period by period, under a budget.

Realised spend is steered to the budget. A policy plans with the costs it expects, and those may be
off: at face value only a part is redeemed. So a period's limit is the budget divided by what was
realised of what was planned so far (both fading by `_FADE` a period). Every contender is steered
alike, which makes their realised spend equal and leaves them to be compared by whom they spend on.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bcrlsp.allocation import Budget
from bcrlsp.decisions.in_memory import Scores, solved
from bcrlsp.experiments.scenario import DECISIONS, Scenario, seen, stream
from bcrlsp.market.chain import Floats, Ints
from bcrlsp.market.play import Bools, History, play

_FADE = 0.7
# Steering never goes further than this factor in one direction.
_MOST = 10.0


class Memory:
    """What the features remember of a scenario's users, kept up to date period by period."""

    def __init__(self, scenario: Scenario) -> None:
        self._features, self._carry = scenario.feature_set, scenario.carry
        self._known = scenario.past.periods

    def states(self, history: History) -> np.ndarray:
        """Array (n, d), float32, after a history that goes on from the one before."""
        for period in range(self._known, history.periods):
            records = seen(history.levels[period], history.returned[period])
            self._carry = self._features.update(self._carry, records)
        self._known = history.periods
        return self._features.features(self._carry, history.periods)


class View:
    """What a policy is given at the start of a period.

    period: number of the period played, 0 for the first one after the warm-up.
    history: everything that the events show, warm-up included.
    budget: money that may be spent in this period, all users together. limit: what the policy may
    plan to spend, steered so that the spend of all periods is the budget.
    hidden: array (n,), flat hidden states: for contenders that are allowed to know them.
    rng: the contender's own random numbers.
    """

    def __init__(
        self,
        period: int,
        history: History,
        budget: float,
        limit: float,
        hidden: Ints,
        rng: np.random.Generator,
        memory: Memory,
    ) -> None:
        self.period, self.history = period, history
        self.budget, self.limit = budget, limit
        self.hidden, self.rng = hidden, rng
        self._memory = memory

    @property
    def users(self) -> int:
        """Number of users."""
        return len(self.hidden)

    @property
    def states(self) -> np.ndarray:
        """Array (n, d), float32: the same features that the log's trajectories have."""
        return self._memory.states(self.history)


@dataclass(frozen=True, eq=False)
class Decision:
    """levels: array (n,), int. planned: money that the policy expects to spend, all users."""

    levels: Ints
    planned: float


Player = Callable[[View], Decision]


@dataclass(frozen=True, eq=False)
class Rollout:
    """What happened.

    history: the periods played, arrays (periods, n). hidden: int array (periods, n), flat hidden
    states at each period's start. planned: array (periods,), money a user the policy expected.
    """

    history: History
    hidden: Ints
    planned: Floats


class Allocator:
    """The budget program of each period; the prices of one are where the next begins."""

    def __init__(self) -> None:
        self._prices: dict[str, float] | None = None

    def decide(
        self, value: Floats, cost: Floats, limit: float, allowed: Bools | None = None
    ) -> Decision:
        """The levels that maximise Σ value within the limit. Arrays (n, a); allowed None: all."""
        scores = Scores(value, cost, allowed)
        found = solved(scores, [Budget("period", limit)], self._prices)
        self._prices = dict(found.certificate.prices)
        levels = np.asarray(found.levels, dtype=np.int64)
        return Decision(levels, float(cost[np.arange(len(levels)), levels].sum()))


def play_scenario(scenario: Scenario, player: Player) -> Rollout:
    """Lets a player decide for all periods of a scenario."""
    config, market = scenario.config, scenario.market()
    memory = Memory(scenario)
    hidden = np.zeros((config.periods, config.users), dtype=np.int64)
    planned = np.zeros(config.periods)
    rng = stream(config.seed, DECISIONS)
    steer = _Steering()

    def decide(history: History) -> Ints:
        period = history.periods - config.warmup
        if period:
            steer.learn(planned[period - 1] * config.users, float(history.cost[-1].sum()))
        hidden[period] = market.states
        budget = scenario.budgets[period] * config.users
        limit = steer.limit(budget)
        decision = player(View(period, history, budget, limit, hidden[period], rng, memory))
        planned[period] = decision.planned / config.users
        return decision.levels

    whole = play(market, decide, config.periods, past=scenario.past)
    return Rollout(since(whole, config.warmup), hidden, planned)


def since(history: History, period: int) -> History:
    """The history from that period on."""
    return History(
        history.levels[period:],
        history.returned[period:],
        history.redeemed[period:],
        history.cost[period:],
    )


class _Steering:
    """The ratio of realised to planned spend, from the periods so far."""

    def __init__(self) -> None:
        self._planned = self._realised = 0.0

    def limit(self, budget: float) -> float:
        if not self._planned > 0:
            return budget
        ratio = self._realised / self._planned
        return budget / min(max(ratio, 1 / _MOST), _MOST)

    def learn(self, planned: float, realised: float) -> None:
        self._planned = _FADE * self._planned + planned
        self._realised = _FADE * self._realised + realised
