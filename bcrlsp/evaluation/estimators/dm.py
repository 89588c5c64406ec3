"""Direct method: mean over users of V(x_0) by fitted Q evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from bcrlsp.evaluation.estimators import ESTIMATORS, Estimator
from bcrlsp.evaluation.features import Features
from bcrlsp.evaluation.fitted_q import FiniteHorizonFit, FittedQ
from bcrlsp.evaluation.log import Floats, Log
from bcrlsp.evaluation.settings import Settings
from bcrlsp.evaluation.terms import Terms, discounted_mean


@dataclass(frozen=True, eq=False)
class DirectModel:
    """Values, and how much each user of the fit moved their mean.

    users: array (m,), sorted. influence: array (m,), scaled to a mean over all users.
    """

    q: FittedQ
    users: NDArray[np.str_]
    influence: Floats


class DirectMethod(Estimator[DirectModel]):
    """No weights, so the least variance, and the bias of the regression where it does not hold.

    The interval knows the sampling error of the fitted values, not that bias.
    """

    needs_states: ClassVar[bool] = True
    weighted: ClassVar[bool] = False

    def fit(self, log: Log, settings: Settings, seed: int) -> DirectModel:
        """Fitted Q on all users of the log."""
        fit = FiniteHorizonFit(log, self.heads(log.features, settings, seed), settings)
        return DirectModel(fit.model, log.users, fit.influence() / log.share)

    def heads(self, states: Floats, settings: Settings, seed: int) -> tuple[Features, ...]:
        """The feature map of each value head: one here."""
        return (Features.fit(states, settings, seed),)

    def terms(self, log: Log, model: DirectModel) -> Terms:
        """V(x_0) of each user and the user's influence on V, about the mean."""
        first = log.offsets[:-1]
        values = model.q.values(log.features[first], log.horizon)
        expected = (log.target[first] * values).sum(1)
        at = np.minimum(np.searchsorted(model.users, log.users), len(model.users) - 1)
        influence = np.where(model.users[at] == log.users, model.influence[at], 0.0)
        return Terms.mean(expected + influence, discounted_mean(log, log.ratios))

    def importance(self, log: Log, model: DirectModel) -> Floats:
        """The ratio of the decision itself: what was seen of a level counts for all who get it."""
        return log.ratios


ESTIMATORS.register("dm")(DirectMethod())
