"""Per-decision importance sampling: 1/n Σ_u Σ_t gamma^t w_t r_t. Unbiased.

A reward is weighted by the decisions up to it only, not by those that follow.
"""

from bcrlsp.evaluation.estimators import ESTIMATORS
from bcrlsp.evaluation.log import Log
from bcrlsp.evaluation.terms import Terms, discounted_mean
from bcrlsp.evaluation.weighting import WeightingEstimator


class PerDecisionImportanceSampling(WeightingEstimator):
    """Each reward weighted by the ratios of the decisions before and at it."""

    def terms(self, log: Log, model: None) -> Terms:
        """Terms of a plain mean."""
        weights = log.cumulative(log.ratios)
        contributions = log.total(log.discounts * weights * log.rewards)
        return Terms.mean(contributions, discounted_mean(log, weights))


ESTIMATORS.register("pdis")(PerDecisionImportanceSampling())
