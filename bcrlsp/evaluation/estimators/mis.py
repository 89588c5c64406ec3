"""Marginalised importance sampling: state density ratios in place of products of ratios.

Σ_t gamma^t Σ_u w_t(x_t) ρ_t r_t / Σ_u w_t(x_t) ρ_t with ρ = π / μ; see `density_ratio` for w_t.
"""

from typing import ClassVar

from bcrlsp.evaluation.crossfit import CrossFitted, cross_fit
from bcrlsp.evaluation.density_ratio import DensityRatio, fit_density_ratio, marginal_weights
from bcrlsp.evaluation.estimators import ESTIMATORS, Estimator
from bcrlsp.evaluation.features import Features
from bcrlsp.evaluation.log import Floats, Log
from bcrlsp.evaluation.settings import Settings
from bcrlsp.evaluation.terms import Terms, self_normalised


class MarginalisedImportanceSampling(Estimator[CrossFitted[DensityRatio]]):
    """For long windows, where products of ratios leave no effective users.

    The interval takes the fitted ratios as given: their own error, of the order of one over the
    users of a state, is not in it.
    """

    needs_states: ClassVar[bool] = True

    def fit(self, log: Log, settings: Settings, seed: int) -> CrossFitted[DensityRatio]:
        """One set of ratios a fold, on the users outside it."""
        features = Features.fit(log.features, settings, seed)
        return cross_fit(
            log, settings, seed, lambda part: fit_density_ratio(part, features, settings)
        )

    def terms(self, log: Log, model: CrossFitted[DensityRatio]) -> Terms:
        """Terms of one ratio for each step."""
        return self_normalised(log, marginal_weights(log, model))

    def importance(self, log: Log, model: CrossFitted[DensityRatio]) -> Floats:
        """The marginal weights."""
        return marginal_weights(log, model)


ESTIMATORS.register("mis")(MarginalisedImportanceSampling())
