"""Self-normalised trajectory importance sampling: Σ_u w_T G_u / Σ_u w_T, G_u = Σ_t gamma^t r_t.

Bounded by the largest return in the log and consistent, no longer unbiased.
"""

import numpy as np

from bcrlsp.evaluation.estimators import ESTIMATORS
from bcrlsp.evaluation.log import Floats, Log
from bcrlsp.evaluation.terms import Terms
from bcrlsp.evaluation.weighting import WeightingEstimator


class SelfNormalisedImportanceSampling(WeightingEstimator):
    """The weighted mean of the discounted returns."""

    def terms(self, log: Log, model: None) -> Terms:
        """Terms of one ratio."""
        weights = self.trajectory_weights(log)
        returns = log.total(log.discounts * log.rewards)
        ones = np.ones(len(weights))
        return Terms((weights * returns)[:, None], weights[:, None], ones[:, None], ones, weights)

    def importance(self, log: Log, model: None) -> Floats:
        """The weight of the whole trajectory, for each of its rewards."""
        return np.repeat(self.trajectory_weights(log), log.lengths)


ESTIMATORS.register("snis")(SelfNormalisedImportanceSampling())
