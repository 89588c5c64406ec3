"""Self-normalised per-decision importance sampling: Σ_t gamma^t Σ_u w_t r_t / Σ_u w_t."""

from bcrlsp.evaluation.estimators import ESTIMATORS
from bcrlsp.evaluation.log import Log
from bcrlsp.evaluation.terms import Terms, self_normalised
from bcrlsp.evaluation.weighting import WeightingEstimator


class SelfNormalisedPerDecision(WeightingEstimator):
    """A weighted mean of the rewards for each step. Bounded and consistent, not unbiased."""

    def terms(self, log: Log, model: None) -> Terms:
        """Terms of one ratio for each step."""
        return self_normalised(log, log.cumulative(log.ratios))


ESTIMATORS.register("snpdis")(SelfNormalisedPerDecision())
