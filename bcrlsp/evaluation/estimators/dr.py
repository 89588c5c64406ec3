"""Doubly robust by decision, cross-fitted over users.

Jiang and Li, Doubly robust off-policy value evaluation for reinforcement learning, ICML 2016:

    V(t) = V̂(x_t) + w (r_t + gamma V(t + 1) - Q̂(x_t, a_t)),   w = π(a_t | x_t) / μ(a_t | x_t),

which is Σ_t gamma^t (w_{0:t-1} V̂(x_t) + w_{0:t} (r_t - Q̂(x_t, a_t))). Unbiased where the
propensities are true, whatever Q̂; Q̂ of a user is fitted on the other folds (Chernozhukov et al.,
Double/debiased machine learning, 2018).
"""

from __future__ import annotations

from typing import ClassVar

from bcrlsp.evaluation.crossfit import CrossFitted, cross_fit, fold_values
from bcrlsp.evaluation.estimators import ESTIMATORS, Estimator
from bcrlsp.evaluation.features import Features
from bcrlsp.evaluation.fitted_q import FiniteHorizonFit, FittedQ
from bcrlsp.evaluation.log import Floats, Log
from bcrlsp.evaluation.settings import Settings
from bcrlsp.evaluation.terms import Terms, discounted_mean


class DoublyRobust(Estimator[CrossFitted[FittedQ]]):
    """Importance weights on what fitted Q leaves unexplained."""

    needs_states: ClassVar[bool] = True

    def fit(self, log: Log, settings: Settings, seed: int) -> CrossFitted[FittedQ]:
        """One fitted Q a fold, on the users outside it."""
        heads = (Features.fit(log.features, settings, seed),)
        return cross_fit(
            log, settings, seed, lambda part: FiniteHorizonFit(part, heads, settings).model
        )

    def terms(self, log: Log, model: CrossFitted[FittedQ]) -> Terms:
        """Terms of a plain mean."""
        values, at_sent = fold_values(log, model)
        weights = log.cumulative(log.ratios)
        parts = log.lagged(weights) * values + weights * (log.rewards - at_sent)
        return Terms.mean(log.total(log.discounts * parts), discounted_mean(log, weights))

    def importance(self, log: Log, model: CrossFitted[FittedQ]) -> Floats:
        """The ratio of the decision itself, as for the values, which carry most of the estimate."""
        return log.ratios


ESTIMATORS.register("dr")(DoublyRobust())
