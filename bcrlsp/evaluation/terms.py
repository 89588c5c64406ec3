"""What an estimator makes of a log: terms of a mean or of ratios, which value and interval need."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bcrlsp.evaluation.log import Floats, Ints, Log


@dataclass(frozen=True, eq=False)
class Terms:
    """Terms of an estimate, one row a user, or sums of users one row a group.

    The value is Σ_k mean(at_risk_k) · Σ_u numerator_uk / Σ_u denominator_uk. A plain mean has one
    column and denominators and at_risk of 1; a self-normalised estimator has a column a step.

    numerator, denominator, at_risk: arrays (rows, k), float64. sizes: array (rows,), users a row.
    weights: array (n,), float64: the importance of each user in the estimate, mean about 1.
    """

    numerator: Floats
    denominator: Floats
    at_risk: Floats
    sizes: Floats
    weights: Floats

    @staticmethod
    def mean(contributions: Floats, weights: Floats) -> Terms:
        """Terms of a plain mean; contributions: array (n,)."""
        column = contributions[:, None]
        ones = np.ones_like(column)
        return Terms(column, ones, ones, np.ones(len(column)), weights)

    @property
    def value(self) -> float:
        """The estimate; nan where a step has users but no weight at all."""
        return float(self.resampled(np.ones((1, len(self.sizes))))[0])

    @property
    def influence(self) -> Floats:
        """First-order effect of each row on the value times the number of users, array (rows,).

        For a ratio R = mean(num) / mean(den) of users it is (num_u - R den_u) / mean(den).
        """
        users = self.sizes.sum()
        risk = self.at_risk.sum(0) / users
        used = risk > 0
        numerator, denominator = self.numerator[:, used], self.denominator[:, used]
        scale = denominator.sum(0) / users
        with np.errstate(divide="ignore", invalid="ignore"):
            rate = numerator.sum(0) / users / scale
            linear = (numerator - rate * denominator) / scale
        effects = self.at_risk[:, used] * rate + risk[used] * linear
        centred: Floats = effects.sum(1) - self.value * self.sizes
        return centred

    @property
    def contributions(self) -> Floats:
        """First-order share of a user in the value, array (rows,): a mean over the row's users."""
        shares: Floats = self.value + self.influence / self.sizes
        return shares

    @property
    def standard_error(self) -> float:
        """Of the value, to first order; infinite for a single row."""
        rows = len(self.sizes)
        if rows < 2:
            return float("inf")
        squares = float((self.influence**2).sum()) * rows / (rows - 1)
        return float(np.sqrt(squares) / self.sizes.sum())

    def resampled(self, counts: Floats) -> Floats:
        """Values of resamples; counts: array (b, rows), how often each row is drawn."""
        size = counts @ self.sizes
        risk = counts @ self.at_risk
        with np.errstate(divide="ignore", invalid="ignore"):
            parts = risk / size[:, None] * (counts @ self.numerator) / (counts @ self.denominator)
        values: Floats = np.where(risk > 0, parts, 0.0).sum(1)
        return values

    def grouped(self, groups: Ints, count: int) -> Terms:
        """Sums over groups of rows; groups: array (rows,), int in [0, count)."""

        def sums(values: Floats) -> Floats:
            return np.stack([np.bincount(groups, column, count) for column in values.T], axis=1)

        return Terms(
            sums(self.numerator),
            sums(self.denominator),
            sums(self.at_risk),
            np.bincount(groups, self.sizes, count).astype(np.float64),
            self.weights,
        )


def self_normalised(log: Log, weights: Floats) -> Terms:
    """Terms of Σ_t gamma^t Σ_u w_ut r_ut / Σ_u w_ut, a ratio for each step t.

    weights: array (N,), float64. A user whose trajectory has ended earns nothing but stays in
    the denominators with the last weight, since the target's users end as well; a user whose
    window is over is no longer counted.
    """
    steps, owners = log.steps, log.owners
    shape = (len(log.users), int(log.horizon.max()))
    numerator, denominator = np.zeros(shape), np.zeros(shape)
    numerator[owners, steps] = log.discounts * weights * log.rewards
    denominator[owners, steps] = weights
    within = np.arange(shape[1]) < log.horizon[:, None]
    over = within & (np.arange(shape[1]) >= log.lengths[:, None])
    denominator = np.where(over, weights[log.offsets[1:] - 1][:, None], denominator)
    return Terms(
        numerator,
        denominator,
        within.astype(np.float64),
        np.ones(len(log.users)),
        discounted_mean(log, weights),
    )


def discounted_mean(log: Log, values: Floats) -> Floats:
    """Mean of `values` over each user's rows with the weights gamma^t, array (n,)."""
    discounts = log.discounts
    # gamma = 0 leaves the first row alone, whose discount is 0^0 = 1: never 0 / 0.
    return log.total(discounts * values) / log.total(discounts)
