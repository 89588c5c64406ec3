"""Small decision processes whose optimum dynamic programming knows, and logs of them."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Problem:
    """A Markov decision process of s states and a levels; a return is a reward of 1.

    move: (s, a, 2, s) chance of the next state without and with a return. returns: (s, a) chance
    of a return. amounts: (a,) money spent on a return. price: value of a unit of money.
    features: (s, d) float32, what a learner sees of a state. narrow: (s, a) a logging policy that
    never tries some levels.
    """

    move: Array
    returns: Array
    amounts: Array
    price: float
    gamma: float
    features: NDArray[np.float32]
    narrow: Array

    @property
    def uniform(self) -> Array:
        """A logging policy that tries every level in every state."""
        return np.full(self.returns.shape, 1 / self.returns.shape[1])

    @property
    def reward(self) -> Array:
        """Expected reward less price x cost, (s, a)."""
        return self.returns * (1 - self.price * self.amounts)

    @property
    def _step(self) -> Array:
        chance = np.stack([1 - self.returns, self.returns], axis=2)
        return np.einsum("saxt,sax->sat", self.move, chance)

    def values(self, gamma: float | None = None, within: Array | None = None) -> Array:
        """Q* (s, a) by value iteration; within: (s, a), only levels of positive chance there."""
        gamma = self.gamma if gamma is None else gamma
        out = np.zeros(self.returns.shape) if within is None else np.where(within > 0, 0, -np.inf)
        found = np.zeros(self.returns.shape)
        for _ in range(2000):
            found = self.reward + gamma * self._step @ (found + out).max(axis=1)
        return found + out

    def optimum(self, gamma: float | None = None, within: Array | None = None) -> float:
        """Largest return from a state drawn evenly; see `values`."""
        return float(self.values(gamma, within).max(axis=1).mean())

    def value(self, policy: Array, gamma: float | None = None) -> float:
        """Return of a policy (s, a), exactly: reward less price x cost, discounted."""
        gamma = self.gamma if gamma is None else gamma
        reward = (policy * self.reward).sum(axis=1)
        step = np.einsum("sa,sat->st", policy, self._step)
        return float(np.linalg.solve(np.eye(len(reward)) - gamma * step, reward).mean())

    def log(self, policy: Array, users: int, steps: int, seed: int) -> dict[str, Array]:
        """Columns state (number), step, level, reward, cost, propensity, each (users x steps,), a
        user's steps in a row."""
        rng = np.random.default_rng([seed, 11])
        states = np.arange(len(self.returns))
        state = rng.integers(len(states), size=users)
        columns = {name: np.zeros((users, steps)) for name in _COLUMNS}
        for t in range(steps):
            level = draw(policy[state], rng)
            returned = (rng.random(users) < self.returns[state, level]).astype(int)
            columns["state"][:, t], columns["step"][:, t] = state, t
            columns["level"][:, t] = level
            columns["reward"][:, t] = returned
            columns["cost"][:, t] = returned * self.amounts[level]
            columns["propensity"][:, t] = policy[state, level]
            state = draw(self.move[state, level, returned], rng)
        return {name: column.reshape(-1) for name, column in columns.items()}


_COLUMNS = ("state", "step", "level", "reward", "cost", "propensity")


def draw(chances: Array, rng: np.random.Generator) -> NDArray[np.int64]:
    """One column for each row of chances (n, k)."""
    drawn: NDArray[np.int64] = (rng.random((len(chances), 1)) > chances.cumsum(axis=1)).sum(axis=1)
    return np.minimum(drawn, chances.shape[1] - 1)


def garnet(states: int = 15, levels: int = 5) -> Problem:
    """Random: a level in a state leads to two states; nothing generalises between states.

    The narrow log knows the best level of each state and one other.
    """
    rng = np.random.default_rng(4)
    move = np.zeros((states, levels, 2, states))
    for state in range(states):
        for level in range(levels):
            first, second = rng.integers(states, size=2)
            chance = rng.random()
            move[state, level, :, first] += chance
            move[state, level, :, second] += 1 - chance
    problem = Problem(
        move, rng.random((states, levels)), np.zeros(levels), 0.0, 0.8,
        np.eye(states, dtype=np.float32), np.zeros((states, levels)),
    )  # fmt: skip
    narrow = 0.4 * np.eye(levels)[problem.values().argmax(axis=1)]
    for state in range(states):
        narrow[state, rng.choice(np.flatnonzero(narrow[state] == 0))] = 0.6
    return replace(problem, narrow=narrow)


def market() -> Problem:
    """Habit 0..4 grows with a return, fatigue 0..3 with a bonus: today's bonus changes tomorrow.

    P(return) = sigmoid(-1.5 + 0.8 habit + 2.2 (1 - exp(-amount / 1.5)) 0.55^fatigue). The narrow
    log sends nothing or one level by a rule: 2 to those of low habit who are not tired, else 1.
    """
    habits, tired = 5, 4
    amounts = np.array([0.0, 1.0, 2.0, 3.0])
    states, levels = habits * tired, len(amounts)
    habit, fatigue = np.divmod(np.arange(states), tired)
    lift = 2.2 * (1 - np.exp(-amounts / 1.5))
    logit = -1.5 + 0.8 * habit[:, None] + lift * 0.55 ** fatigue[:, None]
    move = np.zeros((states, levels, 2, states))
    narrow = np.zeros((states, levels))
    for state in range(states):
        for level in range(levels):
            then = min(fatigue[state] + 1, tired - 1) if level else max(fatigue[state] - 1, 0)
            for returned, change in ((0, -1), (1, 1)):
                now = int(np.clip(habit[state] + change, 0, habits - 1))
                move[state, level, returned, now * tired + then] = 1.0
        narrow[state, [0, 2 if habit[state] < 3 and fatigue[state] == 0 else 1]] = 0.5
    features = np.hstack([np.eye(habits)[habit], np.eye(tired)[fatigue]]).astype(np.float32)
    return Problem(move, 1 / (1 + np.exp(-logit)), amounts, 0.15, 0.9, features, narrow)


PROBLEMS = {"garnet": garnet, "market": market}
