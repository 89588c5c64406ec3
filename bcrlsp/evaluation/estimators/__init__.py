"""Off-policy estimators: one module each, which registers itself here."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Generic, TypeVar

from bcrlsp.evaluation.log import Floats, Log
from bcrlsp.evaluation.settings import Settings
from bcrlsp.evaluation.terms import Terms
from bcrlsp.registry import Registry

M = TypeVar("M")


class Estimator(ABC, Generic[M]):
    """An off-policy estimator: models fitted once, then terms of any part of the log's users.

    `fit` may see a sample of the users; `terms` is called for all, possibly in parts on other
    machines, so its result for a user may not depend on the other users of the part.
    """

    needs_states: ClassVar[bool]
    """Whether log.states must be there."""

    weighted: ClassVar[bool] = True
    """Whether the estimate depends on the propensities."""

    @abstractmethod
    def fit(self, log: Log, settings: Settings, seed: int) -> M:
        """The models that `terms` needs; it can be pickled."""

    @abstractmethod
    def terms(self, log: Log, model: M) -> Terms:
        """Per-user terms of the estimate."""

    def importance(self, log: Log, model: M) -> Floats:
        """What a reward counts in the estimate, array (N,); with few events the interval rests on
        it. Here the product of the ratios up to the reward."""
        return log.cumulative(log.ratios)


ESTIMATORS: Registry[Estimator[Any]] = Registry("estimator", __name__, "bcrlsp.estimators")
