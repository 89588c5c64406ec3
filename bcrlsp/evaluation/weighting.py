"""Base of the estimators that weigh trajectories by the logged propensities alone."""

from typing import ClassVar

from bcrlsp.evaluation.estimators import Estimator
from bcrlsp.evaluation.log import Floats, Log
from bcrlsp.evaluation.settings import Settings


class WeightingEstimator(Estimator[None]):
    """An estimator without a model of the market.

    Its weights are w_t = Π_{s <= t} π(a_s | x_s) / μ(a_s | x_s), with target π and behaviour μ.
    Precup, Sutton and Singh, Eligibility traces for off-policy policy evaluation, ICML 2000.
    """

    needs_states: ClassVar[bool] = False

    def fit(self, log: Log, settings: Settings, seed: int) -> None:
        """Nothing to fit."""

    @staticmethod
    def trajectory_weights(log: Log) -> Floats:
        """w_T, the weight of each whole trajectory, array (n,)."""
        weights: Floats = log.cumulative(log.ratios)[log.offsets[1:] - 1]
        return weights
