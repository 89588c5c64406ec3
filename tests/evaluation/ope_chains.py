"""Small Markov chains with logged trajectories and the exact value of a target, by enumeration."""

import datetime
import itertools
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

FIRST_DAY = datetime.date(2026, 1, 5)


@dataclass(frozen=True)
class Chain:
    """start (s,), move (s, a, s), reward (s, a), stop (s, a): chance that nothing follows."""

    start: np.ndarray
    move: np.ndarray
    reward: np.ndarray
    cost: np.ndarray
    stop: np.ndarray
    behaviour: np.ndarray
    target: np.ndarray

    @staticmethod
    def random(seed: int, states: int = 3, levels: int = 3, stop: float = 0.0, far: float = 1.0):
        """far: how much the target differs from the behaviour, 0 to 1."""
        rng = np.random.default_rng(seed)
        behaviour = rng.dirichlet(np.full(levels, 4.0), size=states) * 0.7 + 0.3 / levels
        other = rng.dirichlet(np.ones(levels), size=states)
        return Chain(
            start=rng.dirichlet(np.full(states, 3.0)),
            move=rng.dirichlet(np.ones(states), size=(states, levels)),
            reward=rng.uniform(0.1, 0.9, size=(states, levels)),
            cost=rng.uniform(0.0, 3.0, size=(states, levels)) * np.arange(levels),
            stop=np.full((states, levels), stop) * rng.uniform(0, 1, size=(states, levels)),
            behaviour=behaviour,
            target=(1 - far) * behaviour + far * other,
        )

    def value(self, policy: np.ndarray, periods: int, gamma: float, measure: str = "retention"):
        """E Σ_{t < periods} gamma^t measure_t, by walking through every path (no recursion on
        values, so that it shares nothing with the code under test)."""
        earned = self.reward if measure == "retention" else self.cost
        states, levels = earned.shape
        total = 0.0
        for length in range(1, periods + 1):
            for path in itertools.product(range(states), range(levels), repeat=length):
                xs, actions = path[0::2], path[1::2]
                chance = self.start[xs[0]]
                for t in range(length):
                    chance *= policy[xs[t], actions[t]]
                    if t + 1 < length:
                        chance *= 1 - self.stop[xs[t], actions[t]]
                        chance *= self.move[xs[t], actions[t], xs[t + 1]]
                total += chance * gamma ** (length - 1) * earned[xs[-1], actions[-1]]
        return total

    def log(self, users: int, periods: int, seed: int, ragged: bool = False) -> pa.Table:
        """Bernoulli rewards and costs of 0 or twice the mean; ragged: users join over time."""
        rng = np.random.default_rng(seed)
        states = len(self.start)
        joined = rng.integers(0, periods, users) if ragged else np.zeros(users, dtype=int)
        state = rng.choice(states, p=self.start, size=users)
        alive = np.ones(users, dtype=bool)
        parts = []
        for t in range(periods):
            here = np.flatnonzero(alive & (joined <= t))
            x = state[here]
            level = pick(self.behaviour[x], rng)
            stopped = rng.random(len(here)) < self.stop[x, level]
            parts.append(
                {
                    "user": here,
                    "t": np.full(len(here), t),
                    "step": t - joined[here],
                    "state": x,
                    "level": level,
                    "reward": (rng.random(len(here)) < self.reward[x, level]).astype(float),
                    "cost": 2 * self.cost[x, level] * (rng.random(len(here)) < 0.5),
                    "propensity": self.behaviour[x, level],
                    "terminal": stopped,
                }
            )
            state[here] = pick(self.move[x, level], rng)
            alive[here[stopped]] = False
        columns = {k: np.concatenate([part[k] for part in parts]) for k in parts[0]}
        days = [FIRST_DAY + datetime.timedelta(days=int(t)) for t in columns["t"]]
        return pa.table(
            {
                "user_id": [f"u{user:05d}" for user in columns["user"]],
                "period": pa.array(days, pa.date32()),
                "step": pa.array(columns["step"], pa.int32()),
                "state": pa.array([[float(x)] for x in columns["state"]], pa.list_(pa.float32())),
                "level": pa.array(columns["level"], pa.int32()),
                "reward": columns["reward"],
                "cost": columns["cost"],
                "propensity": columns["propensity"],
                "terminal": columns["terminal"],
            }
        )

    def target_of(self, table: pa.Table) -> np.ndarray:
        """The target's probabilities for the rows of a log."""
        return self.target[states_of(table)]


def states_of(table: pa.Table) -> np.ndarray:
    return np.array(table["state"].to_pylist(), dtype=int)[:, 0]


def pick(probabilities: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One column drawn for each row."""
    draws = rng.random(len(probabilities))[:, None]
    return np.minimum((probabilities.cumsum(1) < draws).sum(1), probabilities.shape[1] - 1)


def permuted(table: pa.Table, seed: int) -> tuple[pa.Table, np.ndarray]:
    order = np.random.default_rng(seed).permutation(table.num_rows)
    return table.take(order), order
