"""What an estimator makes of a log: per-user terms, from which value and interval follow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bcrlsp.evaluation.log import Floats, Ints, Log


@dataclass(frozen=True, eq=False)
class Terms:
    """Per-user terms of an estimate.

    The value is Σ_k mean(at_risk_k) · Σ_u numerator_uk / Σ_u denominator_uk. A plain mean has one
    column and denominators and at_risk of 1; a self-normalised estimator has a column a step.

    numerator, denominator, at_risk: arrays (n, k), float64.
    weights: array (n,), float64: the importance of each user in the estimate, mean about 1.
    """

    numerator: Floats
    denominator: Floats
    at_risk: Floats
    weights: Floats

    @staticmethod
    def mean(contributions: Floats, weights: Floats) -> Terms:
        """Terms of a plain mean; contributions: array (n,)."""
        column = contributions[:, None]
        return Terms(column, np.ones_like(column), np.ones_like(column), weights)

    @property
    def value(self) -> float:
        """The estimate; nan where a step has users but no weight at all."""
        count = np.full(1, len(self.numerator), dtype=np.float64)
        return float(
            _ratio_value(
                self.numerator.sum(0, keepdims=True),
                self.denominator.sum(0, keepdims=True),
                self.at_risk.sum(0, keepdims=True),
                count,
            )[0]
        )

    @property
    def contributions(self) -> Floats:
        """First-order share of each user in the value, array (n,); their mean is the value.

        For a ratio R = mean(num) / mean(den) it is R + (num_u - R den_u) / mean(den).
        """
        risk = self.at_risk.mean(0)
        used = risk > 0
        numerator, denominator = self.numerator[:, used], self.denominator[:, used]
        scale = denominator.mean(0)
        with np.errstate(divide="ignore", invalid="ignore"):
            rate = numerator.mean(0) / scale
            linear = (numerator - rate * denominator) / scale
        result: Floats = (self.at_risk[:, used] * rate + risk[used] * linear).sum(1)
        return result

    def resampled(self, counts: Floats, sizes: Floats) -> Floats:
        """Values of resamples of (groups of) users.

        counts: array (b, g): how often each group is drawn. sizes: array (g,): users in a group,
        this object's rows being sums over the groups. Returns array (b,).
        """
        return _ratio_value(
            counts @ self.numerator,
            counts @ self.denominator,
            counts @ self.at_risk,
            counts @ sizes,
        )

    def grouped(self, groups: Ints, count: int) -> Terms:
        """Sums over groups of users; groups: array (n,), int in [0, count)."""

        def sums(values: Floats) -> Floats:
            return np.stack([np.bincount(groups, column, count) for column in values.T], axis=1)

        return Terms(
            sums(self.numerator),
            sums(self.denominator),
            sums(self.at_risk),
            np.asarray(np.bincount(groups, self.weights, count), dtype=np.float64),
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
    return Terms(numerator, denominator, within.astype(np.float64), discounted_mean(log, weights))


def discounted_mean(log: Log, values: Floats) -> Floats:
    """Mean of `values` over each user's rows with the weights gamma^t, array (n,)."""
    discounts = log.discounts
    # gamma = 0 leaves the first row alone, whose discount is 0^0 = 1: never 0 / 0.
    return log.total(discounts * values) / log.total(discounts)


def _ratio_value(numerator: Floats, denominator: Floats, at_risk: Floats, size: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = at_risk / size[:, None] * numerator / denominator
    values: Floats = np.where(at_risk > 0, parts, 0.0).sum(1)
    return values
