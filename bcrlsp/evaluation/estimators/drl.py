"""Double reinforcement learning: fitted Q corrected by marginal weights, cross-fitted.

Kallus and Uehara, Double reinforcement learning for efficient off-policy evaluation in Markov
decision processes, JMLR 2020:

    V̂(x_0) + Σ_t gamma^t w_t(x_t) ρ_t (r_t + gamma V̂(x_{t+1}) - Q̂(x_t, a_t)),   ρ = π / μ.

Right if either Q̂ or w is, and of the least variance that a Markov market allows if both are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from bcrlsp.evaluation.crossfit import CrossFitted, cross_fit, fold_values
from bcrlsp.evaluation.density_ratio import DensityRatio, fit_density_ratio, marginal_weights
from bcrlsp.evaluation.estimators import ESTIMATORS, Estimator
from bcrlsp.evaluation.features import Features
from bcrlsp.evaluation.fitted_q import FiniteHorizonFit, FittedQ
from bcrlsp.evaluation.log import Floats, Log
from bcrlsp.evaluation.settings import Settings
from bcrlsp.evaluation.terms import Terms, discounted_mean


@dataclass(frozen=True, eq=False)
class DoubleModel:
    """Both models, on the same folds."""

    q: CrossFitted[FittedQ]
    ratio: CrossFitted[DensityRatio]


class DoubleReinforcementLearning(Estimator[DoubleModel]):
    """The doubly robust form for long windows."""

    needs_states: ClassVar[bool] = True

    def fit(self, log: Log, settings: Settings, seed: int) -> DoubleModel:
        """One fitted Q and one set of ratios a fold, on the users outside it."""
        features = Features.fit(log.features, settings, seed)
        q = cross_fit(
            log,
            settings,
            seed,
            lambda part: FiniteHorizonFit(part, (features,), settings).model,
        )
        ratio = cross_fit(
            log, settings, seed, lambda part: fit_density_ratio(part, features, settings)
        )
        return DoubleModel(q, ratio)

    def terms(self, log: Log, model: DoubleModel) -> Terms:
        """Terms of a plain mean."""
        values, at_sent = fold_values(log, model.q)
        weights = marginal_weights(log, model.ratio)
        following = log.next_rows
        after = np.where(following >= 0, values[following], 0.0)
        residuals = log.rewards + log.gamma * after - at_sent
        corrections = log.total(log.discounts * weights * residuals)
        return Terms.mean(values[log.offsets[:-1]] + corrections, discounted_mean(log, weights))

    def importance(self, log: Log, model: DoubleModel) -> Floats:
        """The marginal weights."""
        return marginal_weights(log, model.ratio)


ESTIMATORS.register("drl")(DoubleReinforcementLearning())
