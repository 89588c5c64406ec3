"""Whether weights average 1, as they do where propensities are true and the log covers the target.

Given the past, E[π(A | x) / μ(A | x)] = Σ_a π(a | x) = 1 for levels A drawn by μ, and so is each
level's part E[π(a | x) 1{A = a} / μ(a | x)] = π(a | x). Means over users miss their expectations by
chance alone, which their standard errors measure. A mean above 1 shows propensities that are too
low, one below 1 propensities that are too high or levels that the log lacks; errors that cancel in
the mean of all levels show in a level's own, and errors of some periods in a step's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bcrlsp.evaluation.log import Floats, Log

SUSPECT = 4.0
"""Standard errors from its expectation at which a mean is no chance, however many are looked at."""

FALSE = 5.0
"""Standard errors from which no number is given, where the mean is also `TOO_FAR` off."""

TOO_FAR = 0.1
"""Share by which a mean must be off for its propensities to be called false."""

NEGLIGIBLE = 1e-3
"""A share that no answer depends on, as of propensities that were written with four digits."""


@dataclass(frozen=True, eq=False)
class Sums:
    """Sums over users of what has the expectation 0; arrays (k,), those of parts add up.

    total, squares: of the users' sums, and of their squares. largest: greatest absolute one.
    mass: what the total is a share of. users: count.
    """

    total: Floats
    squares: Floats
    largest: Floats
    mass: Floats
    users: Floats

    @staticmethod
    def of(values: Floats, mass: Floats, users: Floats) -> Sums:
        """values: array (n, k), a user's sums; mass, users: arrays (k,)."""
        return Sums(
            values.sum(0), (values**2).sum(0), np.abs(values).max(axis=0, initial=0.0), mass, users
        )

    def __add__(self, other: Sums) -> Sums:
        """The sums of two parts; the shorter one is filled up with 0."""
        width = max(len(self.total), len(other.total))

        def wide(values: Floats) -> Floats:
            return np.pad(values, (0, width - len(values)))

        return Sums(
            wide(self.total) + wide(other.total),
            wide(self.squares) + wide(other.squares),
            np.maximum(wide(self.largest), wide(other.largest)),
            wide(self.mass) + wide(other.mass),
            wide(self.users) + wide(other.users),
        )

    @property
    def gaps(self) -> Floats:
        """Means as shares of the mass, array (k,); 0 is right."""
        return np.divide(self.total, self.mass, out=np.zeros_like(self.total), where=self.mass > 0)

    @property
    def errors(self) -> Floats:
        """Standard errors of the gaps, array (k,).

        The largest user is counted once more: of rare heavy weights a sample shows too few, and
        its own variance is then too small.
        """
        users = np.maximum(self.users, 1.0)
        spread = np.maximum(self.squares - self.total**2 / users, 0.0) + self.largest**2
        whole = np.full_like(spread, np.inf)
        return np.divide(np.sqrt(spread), self.mass, out=whole, where=self.mass > 0)


@dataclass(frozen=True, eq=False)
class Balance:
    """Sums of all rows (k = 1), of each level's part in the target and in the log, of each step.

    overall, by_level: of gamma^t (π / μ - 1) and of gamma^t π_a (1{A = a} / μ - 1), as shares of
    Σ gamma^t. sent: of 1{A = a} / μ - 1, a share of the rows; below 0 where a level may not always
    be sent. by_step: of π / μ - 1 in the rows of one step.
    """

    overall: Sums
    by_level: Sums
    sent: Sums
    by_step: Sums

    @staticmethod
    def of(log: Log) -> Balance:
        """The sums of a log with every propensity."""
        discounts, excess = log.discounts, log.ratios - 1.0
        users, rows = float(len(log.users)), len(log.levels)
        width = log.target.shape[1]
        total = float(discounts.sum())
        inverse = np.zeros((rows, width))
        inverse[np.arange(rows), log.levels] = 1.0 / log.propensities
        parts = discounts[:, None] * log.target * (inverse - 1.0)
        owners, steps = log.owners, log.steps
        by_step = np.zeros((len(log.users), int(log.lengths.max())))
        by_step[owners, steps] = excess
        at_step = np.bincount(steps).astype(np.float64)

        def summed(values: Floats) -> Floats:
            return np.asarray(np.add.reduceat(values, log.offsets[:-1], axis=0))

        return Balance(
            Sums.of(log.total(discounts * excess)[:, None], np.array([total]), np.array([users])),
            Sums.of(summed(parts), np.full(width, total), np.full(width, users)),
            Sums.of(summed(inverse - 1.0), np.full(width, float(rows)), np.full(width, users)),
            Sums.of(by_step, at_step, at_step),
        )

    def __add__(self, other: Balance) -> Balance:
        """The sums of two parts of a log."""
        return Balance(
            self.overall + other.overall,
            self.by_level + other.by_level,
            self.sent + other.sent,
            self.by_step + other.by_step,
        )

    def doubts(self) -> list[Doubt]:
        """The means that are not what they must be, at most one of each kind, the worst."""
        found = []
        for sums, told, counts_below in (
            (self.overall, "target probability over propensity averages {mean:.3f}", True),
            (
                self.by_level,
                "on level {place} the weighted log has {gap:+.1%} of the target's mass",
                True,
            ),
            (self.by_step, "in step {place} target over propensity averages {mean:.3f}", True),
            (self.sent, "1 / propensity of level {place} averages {mean:.3f} over all rows", False),
        ):
            gaps, errors = sums.gaps, sums.errors
            off = gaps if not counts_below else np.abs(gaps)
            scores = np.where(off > NEGLIGIBLE, off / np.maximum(errors, 1e-300), 0.0)
            if not len(scores) or scores.max() <= SUSPECT:
                continue
            place = int(scores.argmax())
            gap, score = float(gaps[place]), float(scores[place])
            line = told.format(mean=1 + gap, gap=gap, place=place)
            right = "0 %" if sums is self.by_level else "at most 1" if not counts_below else "1"
            false = counts_below and score > FALSE and abs(gap) > TOO_FAR
            line += f" instead of {right}, by {score:.0f} standard errors"
            found.append(Doubt(line, gap > 0, false))
        return found


@dataclass(frozen=True)
class Doubt:
    """A mean that is not what it must be. above: too large; false: so far that no number holds."""

    line: str
    above: bool
    false: bool
