"""Trajectory importance sampling: 1/n Σ_u w_T Σ_t gamma^t r_t. Unbiased, largest variance."""

import numpy as np

from bcrlsp.evaluation.estimators import ESTIMATORS
from bcrlsp.evaluation.log import Floats, Log
from bcrlsp.evaluation.terms import Terms
from bcrlsp.evaluation.weighting import WeightingEstimator


class TrajectoryImportanceSampling(WeightingEstimator):
    """Each trajectory's discounted return, weighted by the whole trajectory's ratio."""

    def terms(self, log: Log, model: None) -> Terms:
        """Terms of a plain mean."""
        weights = self.trajectory_weights(log)
        return Terms.mean(weights * log.total(log.discounts * log.rewards), weights)

    def importance(self, log: Log, model: None) -> Floats:
        """The weight of the whole trajectory, for each of its rewards."""
        return np.repeat(self.trajectory_weights(log), log.lengths)


ESTIMATORS.register("is")(TrajectoryImportanceSampling())
