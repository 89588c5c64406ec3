"""REM: the direct method with a random ensemble mixture of value heads, as BCORLE evaluates.

Zhang et al., BCORLE(λ): an offline reinforcement learning and evaluation framework for coupons
allocation in e-commerce market, NeurIPS 2021; Agarwal, Schuurmans and Norouzi, An optimistic
perspective on offline reinforcement learning, ICML 2020.
"""

from bcrlsp.evaluation.estimators import ESTIMATORS
from bcrlsp.evaluation.estimators.dm import DirectMethod
from bcrlsp.evaluation.features import Features
from bcrlsp.evaluation.log import Floats
from bcrlsp.evaluation.settings import Settings


class RandomEnsembleMixture(DirectMethod):
    """Heads of random features of their own, fitted under random convex mixtures of them."""

    def heads(self, states: Floats, settings: Settings, seed: int) -> tuple[Features, ...]:
        """Several maps, which share the Fourier features of the one head of `dm` among them."""
        each = settings.model_copy(
            update={"fourier_features": max(settings.fourier_features // 2, 1)}
        )
        return tuple(
            Features.fit(states, each, seed * settings.heads + head)
            for head in range(settings.heads)
        )


ESTIMATORS.register("rem")(RandomEnsembleMixture())
