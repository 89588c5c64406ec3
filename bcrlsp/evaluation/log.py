"""A logged set of trajectories as arrays: what every estimator works on."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Log:
    """Validated trajectories of n users in N rows, sorted by (user, step); a levels.

    users: array (n,), str, sorted, unique.
    offsets: array (n + 1,), int64: user u owns the rows offsets[u] up to offsets[u + 1].
    levels: array (N,), int64: the level sent.
    rewards: array (N,), float64: the measure that is evaluated (retained, or money).
    target: array (N, a), float64: probability of each level under the target policy.
    propensities: array (N,), float64 in (0, 1]: probability of the level sent under the log.
    horizon: array (n,), int64: number of periods from the user's first row to the end of their
        window; more than the number of their rows only where the trajectory ended before.
    gamma: discount factor a period.
    states: array (N, d), float64, or None where no model needs them.
    allowed: array (N, a), bool: levels that could be sent, or None where all could.
    share: share of all users that this log is a random sample of.
    """

    users: NDArray[np.str_]
    offsets: Ints
    levels: Ints
    rewards: Floats
    target: Floats
    propensities: Floats
    horizon: Ints
    gamma: float
    states: Floats | None = None
    allowed: Bools | None = None
    share: float = 1.0

    @property
    def features(self) -> Floats:
        """The states, array (N, d); ValueError where the log was read without them."""
        if self.states is None:
            raise ValueError("the log was read without states, but a model of them is asked for")
        return self.states

    @property
    def lengths(self) -> Ints:
        """Rows of each user, array (n,)."""
        return np.diff(self.offsets)

    @property
    def owners(self) -> Ints:
        """Index of each row's user, array (N,)."""
        return np.repeat(np.arange(len(self.users)), self.lengths)

    @property
    def steps(self) -> Ints:
        """Periods since the user's first row, array (N,)."""
        return np.arange(len(self.levels)) - np.repeat(self.offsets[:-1], self.lengths)

    @property
    def to_go(self) -> Ints:
        """Periods left in the user's window, this one included, array (N,)."""
        return np.repeat(self.horizon, self.lengths) - self.steps

    @property
    def next_rows(self) -> Ints:
        """The row that follows, -1 for a user's last one, array (N,)."""
        following = np.arange(1, len(self.levels) + 1)
        following[self.offsets[1:] - 1] = -1
        return following

    @property
    def ended(self) -> Bools:
        """True in the last row of a trajectory after which nothing follows, array (N,)."""
        flags = np.zeros(len(self.levels), dtype=np.bool_)
        flags[self.offsets[1:] - 1] = self.horizon > self.lengths
        return flags

    @property
    def discounts(self) -> Floats:
        """gamma ** step, array (N,)."""
        return np.power(self.gamma, self.steps)

    @property
    def ratios(self) -> Floats:
        """Target probability over propensity of the level sent, array (N,)."""
        return self.target[np.arange(len(self.levels)), self.levels] / self.propensities

    def cumulative(self, ratios: Floats) -> Floats:
        """Product of `ratios` along each trajectory up to and with the row, array (N,)."""
        products = ratios.copy()
        lengths = self.lengths
        for step in range(1, int(lengths.max(initial=0))):
            rows = self.offsets[:-1][lengths > step] + step
            products[rows] *= products[rows - 1]
        return products

    def lagged(self, values: Floats) -> Floats:
        """The value of the row before, 1 in a user's first row, array (N,)."""
        before = np.empty_like(values)
        before[1:] = values[:-1]
        before[self.offsets[:-1]] = 1.0
        return before

    def total(self, values: Floats) -> Floats:
        """Sum over each user's rows, array (n,)."""
        return np.add.reduceat(values, self.offsets[:-1])

    def folds(self, count: int, seed: int) -> Ints:
        """A fold of each user by a hash of the user id, array (n,): it does not depend on which
        other users there are, so that parts of a log can be worked on apart."""
        return np.array([user_hash(user, seed) % count for user in self.users], dtype=np.int64)

    def select(self, users: Bools) -> Log:
        """The same log with some of the users; users: bool array (n,)."""
        rows = np.repeat(users, self.lengths)
        return replace(
            self,
            users=self.users[users],
            offsets=np.concatenate([[0], np.cumsum(self.lengths[users])]),
            levels=self.levels[rows],
            rewards=self.rewards[rows],
            target=self.target[rows],
            propensities=self.propensities[rows],
            horizon=self.horizon[users],
            states=None if self.states is None else self.states[rows],
            allowed=None if self.allowed is None else self.allowed[rows],
        )

    def sample(self, max_rows: int, seed: int) -> Log:
        """Whole users, drawn by a hash of their id, of about `max_rows` rows together."""
        rows = len(self.levels)
        if rows <= max_rows:
            return self
        threshold = max_rows / rows * 2**32
        kept = np.array([user_hash(user, seed) < threshold for user in self.users], dtype=np.bool_)
        sampled = self.select(kept)
        return replace(sampled, share=self.share * len(sampled.users) / len(self.users))


def user_hash(user: str, seed: int) -> int:
    """A 32-bit hash of the user id that is the same on every machine."""
    # CRC is linear in its input: without the final mixing ids that differ in one digit would
    # spread over the folds in a pattern.
    value = zlib.crc32(f"{seed}:{user}".encode())
    value = ((value ^ (value >> 16)) * 0x7FEB352D) & 0xFFFFFFFF
    value = ((value ^ (value >> 15)) * 0x846CA68B) & 0xFFFFFFFF
    return value ^ (value >> 16)
