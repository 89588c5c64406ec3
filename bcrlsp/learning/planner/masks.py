"""Levels that users may not get: what a plan may count on in later periods."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bcrlsp.learning.planner.response import Floats, Ints

Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Masks:
    """Sets of allowed levels and how often each is met.

    allowed: bool (m, a), each with a level at least. shares: (m,), sum 1.
    The plan takes a user's set of each period as drawn anew from the shares.
    """

    allowed: Bools
    shares: Floats

    @classmethod
    def none(cls, levels: int) -> "Masks":
        """Every level is always allowed."""
        return cls(np.ones((1, levels), bool), np.ones(1))

    @classmethod
    def of_log(cls, allowed: Bools | None, levels: int) -> "Masks":
        """As often as in a log; allowed: bool (n, a), None: everything is allowed."""
        if allowed is None or not len(allowed):
            return cls.none(levels)
        found, counts = np.unique(allowed, axis=0, return_counts=True)
        return cls(found, counts / counts.sum())

    def best(self, values: Floats) -> Ints:
        """The best allowed level of each set, array (m, s, k); values: (s, a, k)."""
        return np.asarray(self._masked(values).argmax(axis=2))

    def better(self, values: Floats, levels: Ints, tolerance: float) -> Bools:
        """Where another allowed level is worth more by the tolerance; levels: (m, s, k)."""
        held = np.take_along_axis(values[None], levels[:, :, None], axis=2)[:, :, 0]
        return np.asarray(self._masked(values).max(axis=2) > held + tolerance)

    def mixed(self, levels: Ints) -> Floats:
        """Probability of each level, array (s, a, k), where set m gets levels[m]: (m, s, k)."""
        every = np.arange(self.allowed.shape[1])[None, None, :, None]
        chosen = levels[:, :, None] == every
        return np.asarray((self.shares[:, None, None, None] * chosen).sum(axis=0))

    def draw(self, users: int, rng: np.random.Generator) -> Bools:
        """A set for each of n users, bool (n, a)."""
        if len(self.shares) == 1:  # nothing is drawn: the stream is that of a log without masks
            return np.broadcast_to(self.allowed, (users, self.allowed.shape[1]))
        return np.asarray(self.allowed[rng.choice(len(self.shares), users, p=self.shares)])

    def _masked(self, values: Floats) -> Floats:
        return np.asarray(np.where(self.allowed[:, None, :, None], values[None], -np.inf))
