"""The small problems that every registered algorithm must learn: one class each, one protocol.

A new algorithm is given the garnet. `PROBLEMS` names those that need another.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, Protocol

import numpy as np
from known_mdp import EVERY_STATE, GAMMA, LEVELS, LOG, MDP, NAMES, STATES, UNIFORM, KnownMDP, learn

from bcrlsp.experiments.log import log_transitions
from bcrlsp.features import record_of
from bcrlsp.learning import Settings
from bcrlsp.learning.task import TrainedPolicy
from bcrlsp.learning.training import train
from bcrlsp.learning.transitions import Transitions
from bcrlsp.market.belief import Belief
from bcrlsp.market.chain import build_chain
from bcrlsp.market.oracle import q_values
from bcrlsp.market.play import Market
from bcrlsp.policies import Policy
from tests.small_market import AMOUNTS, FEATURES, MARKET, simulation


@dataclass(frozen=True)
class Returns:
    """Discounted returns of what was learned, of levels drawn at random and of the optimum."""

    reached: float
    random: float
    best: float


class Problem(Protocol):
    """A log and what is known of it.

    names: of the features. metrics: those that each point of the learning curve has.
    gamma: the discount that the algorithm learns for.
    """

    names: tuple[str, ...]
    metrics: frozenset[str]
    gamma: float

    @property
    def log(self) -> Transitions:
        """What is learned from."""
        ...

    @property
    def states(self) -> np.ndarray:
        """Where values are compared, (n, d)."""
        ...

    def learn(
        self, log: Transitions, seed: int, *, brief: bool = False, masked: bool = False
    ) -> TrainedPolicy:
        """Trains on a log; brief: just long enough to see that two runs are one. masked: for
        the test of masks."""
        ...

    def returns(self, policy: Policy) -> Returns:
        """What following the policy brings, against the optimum."""
        ...

    def costs(self) -> tuple[np.ndarray, float]:
        """Expected costs at the states, (n, a), and how far a learner's mean may be off."""
        ...

    def masked(self) -> tuple[Transitions, np.ndarray, np.ndarray, float]:
        """A log in which the best level, the last one, is never allowed; mean values of the
        other levels over the states, (a - 1,), where it is kept out of the future, and where it
        is counted on; and how far learned ones may be off."""
        ...


class Garnet:
    """The six states of `KnownMDP` under a uniform log: for what learns from any log.

    Cloning is no better than what it clones: its log is that of a good policy.
    """

    names = NAMES
    metrics = frozenset({"td", "total", "cost_error", "holdout_td", "holdout_cost_error"})
    states = EVERY_STATE

    def __init__(self, name: str) -> None:
        self.name = name
        self.gamma = 0.0 if name == "myopic" else GAMMA
        self.cloned = name == "bc"

    @cached_property
    def log(self) -> Transitions:
        if not self.cloned:
            return LOG
        best = np.eye(LEVELS)[MDP.optimum().argmax(axis=1)]
        return MDP.log(0.9 * best + 0.1 * UNIFORM, users=600, steps=25, seed=1)

    def learn(
        self, log: Transitions, seed: int, *, brief: bool = False, masked: bool = False
    ) -> TrainedPolicy:
        return learn(self.name, log, seed, **({"updates": 30, "iteration": 10} if brief else {}))

    def returns(self, policy: Policy) -> Returns:
        def mean_of(chances: np.ndarray) -> float:
            return float((chances * MDP.values_of(chances, self.gamma)).sum(axis=1).mean())

        best = float(MDP.optimum(self.gamma).max(axis=1).mean())
        chosen = policy.probabilities(self.states, rule="behaviour" if self.cloned else "greedy")
        return Returns(mean_of(chosen), mean_of(UNIFORM), best)

    def costs(self) -> tuple[np.ndarray, float]:
        return MDP.cost, 0.1

    def masked(self) -> tuple[Transitions, np.ndarray, np.ndarray, float]:
        rich, only = KnownMDP(seed=4), KnownMDP(seed=4)
        rich.reward[:, 2] = 10.0
        only.reward[:, 2] = -1e3  # out of the question
        log = LOG
        rewards = np.where(log.levels == 2, 10.0, log.rewards).astype("f4")
        allowed = np.ones((len(log), LEVELS), bool)
        allowed[:, 2] = False
        half = np.tile([0.5, 0.5, 0.0], (STATES, 1))
        kept = only.values_of(half) if self.cloned else only.optimum(self.gamma)
        counted = rich.values_of(UNIFORM) if self.cloned else rich.optimum(self.gamma)
        log = replace(log, rewards=rewards, allowed=allowed)
        return log, kept[:, :2].mean(axis=0), counted[:, :2].mean(axis=0), 0.7


class SmallMarket:
    """A market of two types: for what needs the default features and returns of 0 or 1."""

    metrics = frozenset({"iteration"})
    amounts, features = AMOUNTS, FEATURES
    names = FEATURES.names
    simulation = simulation(5_000)
    chain = build_chain(MARKET, AMOUNTS)
    gamma = 0.95
    # Dear enough that most of what a constant bonus would send is not worth it.
    price = 0.3
    full: ClassVar = {
        "select_users": 1_000,
        "fit_users": 3_000,
        "teach_users": 600,
        "epochs": 15,
    }
    brief: ClassVar = {"select_users": 30, "teach_users": 60, "epochs": 1, "iterations": 20}

    def __init__(self, name: str) -> None:
        self.name = name

    @cached_property
    def log(self) -> Transitions:
        return log_transitions(self.simulation, self.features, self.simulation.users)

    def learn(
        self, log: Transitions, seed: int, *, brief: bool = False, masked: bool = False
    ) -> TrainedPolicy:
        options = self.brief if brief else self.full
        if brief:
            log = log.of_users(np.arange(len(log.users) - 1) < 150)
        settings = Settings(
            algorithm=self.name,
            options={**options, "price": 0.0 if masked else self.price, "gamma": self.gamma},
            hidden=(64, 64),
            threads=1,
        )
        return train(
            log,
            settings,
            feature_names=self.features.names,
            feature_set=self.features.hash,
            amounts=self.amounts,
            seed=seed,
        )

    @cached_property
    def _last(self) -> tuple[np.ndarray, Belief]:
        """States of a block's users before its last period, and a perfect observer of them."""
        block = self.simulation.block(0)
        users = np.flatnonzero(block.present.all(axis=0))
        belief, carries = Belief(self.chain, len(users)), self.features.init(len(users))
        for t in range(block.history.periods - 1):
            levels, returned = block.history.levels[t, users], block.history.returned[t, users]
            belief.update(levels, returned)
            carries = self.features.update(carries, record_of(levels, returned))
        return self.features.features(carries, 0), belief

    @property
    def states(self) -> np.ndarray:
        return self._last[0]

    def returns(self, policy: Policy) -> Returns:
        best = q_values(self.chain, self.gamma, self.price).argmax(axis=1)

        def learned(states: np.ndarray, hidden: np.ndarray, rng: np.random.Generator):
            return policy.probabilities(states, price=self.price).argmax(axis=1)

        def at_random(states: np.ndarray, hidden: np.ndarray, rng: np.random.Generator):
            return rng.integers(0, len(self.amounts), len(states))

        def optimal(states: np.ndarray, hidden: np.ndarray, rng: np.random.Generator):
            return best[hidden]

        return Returns(*(self._played(decide) for decide in (learned, at_random, optimal)))

    def _played(self, decide: Callable[..., np.ndarray], users: int = 3_000) -> float:
        """Discounted returns less price x cost a user, over 60 periods of the same rng."""
        market, rng = Market(self.chain), np.random.default_rng(5)
        market.reset(users, 11)
        carries, total = self.features.init(users), 0.0
        for t in range(60):
            levels = decide(self.features.features(carries, t), market.states, rng)
            step = market.step(levels)
            net = step.returned.mean() - self.price * step.cost.mean()
            total += self.gamma**t * float(net)
            carries = self.features.update(carries, record_of(levels, step.returned))
        return total

    def costs(self) -> tuple[np.ndarray, float]:
        return self._last[1].expect(self.chain.expected_cost), 0.1

    def masked(self) -> tuple[Transitions, np.ndarray, np.ndarray, float]:
        allowed = np.tile([True, True, False], (len(self.log), 1))
        without = build_chain(MARKET, self.amounts[:2])
        kept, counted = (
            self._last[1]
            .expect(q_values(chain, self.gamma).reshape(*chain.shape, -1)[..., :2])
            .mean(axis=0)
            for chain in (without, self.chain)
        )
        return replace(self.log, allowed=allowed), kept, counted, 0.15


class RecurrentMarket(SmallMarket):
    """The same market for the recurrent model: few and short steps."""

    brief: ClassVar = {
        "members": 2,
        "updates": 5,
        "plan_users": 20,
        "groups": 20,
        "rounds": 2,
        "sweeps": 1,
        "plan_horizon": 5,
        "teach_users": 60,
        "horizon": 4,
        "student_epochs": 1,
    }


PROBLEMS = {"planner": SmallMarket, "recurrent": RecurrentMarket}
# It gives back what others learned, or a constant: tests/learning/test_auto.py.
CHOOSERS = ("auto",)
# Its plan needs more simulated users than a test has time for: what it comes to is in
# tests/learning/test_recurrent.py, on users whose optimum follows by hand.
LONG = ("recurrent",)


def problem_of(name: str) -> Problem:
    """The problem of an algorithm."""
    return PROBLEMS.get(name, Garnet)(name)
