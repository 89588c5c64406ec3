"""A small Markov decision process with a known optimum, and logs of it."""

import numpy as np

from bcrlsp.learning import Settings
from bcrlsp.learning.task import TrainedPolicy
from bcrlsp.learning.training import train
from bcrlsp.learning.transitions import Transitions

STATES, LEVELS, AMOUNTS = 6, 3, (0.0, 1.0, 2.0)
NAMES = tuple(f"is_{state}" for state in range(STATES))
GAMMA = 0.8


class KnownMDP:
    """Garnet problem: each (state, level) leads to two states and a chance of return.

    A return is a reward of 1 and costs the level's amount.
    """

    def __init__(self, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.next = rng.integers(STATES, size=(STATES, LEVELS, 2))
        self.chance = rng.random((STATES, LEVELS))
        self.reward = rng.random((STATES, LEVELS))
        self.cost = self.reward * np.array(AMOUNTS)

    def step(self, values: np.ndarray) -> np.ndarray:
        """Expected next values, (states, levels)."""
        first, second = values[self.next[..., 0]], values[self.next[..., 1]]
        return self.chance * first + (1 - self.chance) * second

    def optimum(self, gamma: float = GAMMA, price: float = 0.0) -> np.ndarray:
        """Q* of reward - price x cost, by value iteration."""
        q = np.zeros((STATES, LEVELS))
        for _ in range(400):
            q = self.reward - price * self.cost + gamma * self.step(q.max(axis=1))
        return q

    def values_of(self, policy: np.ndarray, gamma: float = GAMMA) -> np.ndarray:
        """Q of a policy given as probabilities (states, levels)."""
        q = np.zeros((STATES, LEVELS))
        for _ in range(400):
            q = self.reward + gamma * self.step((policy * q).sum(axis=1))
        return q

    def log(
        self, policy: np.ndarray, users: int, steps: int, seed: int, masks: bool = False
    ) -> Transitions:
        """Trajectories under `policy`; with masks, each user's day has one level forbidden."""
        rng = np.random.default_rng(seed)
        state = rng.integers(STATES, size=users)
        shape = (users, steps)
        logged = {name: np.zeros(shape) for name in ("s", "a", "r", "c", "p")}
        allowed = np.ones((*shape, LEVELS), bool)
        for t in range(steps):
            chances = policy[state]
            if masks:
                allowed[np.arange(users), t, rng.integers(1, LEVELS, users)] = False
                chances = np.where(allowed[:, t], chances, 0)
                chances = chances / chances.sum(axis=1, keepdims=True)
            level = (rng.random((users, 1)) > chances.cumsum(axis=1)).sum(axis=1)
            returned = rng.random(users) < self.reward[state, level]
            logged["s"][:, t], logged["a"][:, t], logged["r"][:, t] = state, level, returned
            logged["c"][:, t] = returned * np.array(AMOUNTS)[level]
            logged["p"][:, t] = chances[np.arange(users), level]
            branch = (rng.random(users) >= self.chance[state, level]).astype(int)
            state = self.next[state, level, branch]
        n = users * steps
        return Transitions(
            states=np.eye(STATES, dtype="f4")[logged["s"].reshape(n).astype(int)],
            levels=logged["a"].reshape(n).astype("i1"),
            rewards=logged["r"].reshape(n).astype("f4"),
            costs=logged["c"].reshape(n).astype("f4"),
            propensities=logged["p"].reshape(n).astype("f4"),
            terminal=np.zeros(n, bool),
            has_next=np.arange(n) % steps != steps - 1,
            users=np.arange(0, n + 1, steps),
            allowed=allowed.reshape(n, LEVELS) if masks else None,
        )


EVERY_STATE = np.eye(STATES, dtype="f4")
UNIFORM = np.full((STATES, LEVELS), 1 / LEVELS)
MDP = KnownMDP(seed=4)
LOG = MDP.log(UNIFORM, users=600, steps=25, seed=1)
SMALL = {"hidden": (32,), "batch_size": 256, "learning_rate": 3e-3, "threads": 1,
         "target_rate": 0.02, "gamma": GAMMA}  # fmt: skip


def learn(name: str, log: Transitions = LOG, seed: int = 3, **changes) -> TrainedPolicy:
    """An algorithm on the log, with settings that fit its size."""
    settings = Settings(**{"algorithm": name, "updates": 1200, "iteration": 400} | SMALL | changes)
    return train(log, settings, feature_names=NAMES, feature_set="fs", amounts=AMOUNTS, seed=seed)
