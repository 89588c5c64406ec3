"""Models fitted on the other folds of users, so that no user judges a model of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from bcrlsp.errors import ConfigError, DataError
from bcrlsp.evaluation.fitted_q import FittedQ
from bcrlsp.evaluation.log import Floats, Ints, Log
from bcrlsp.evaluation.settings import Settings

M = TypeVar("M")


@dataclass(frozen=True, eq=False)
class CrossFitted(Generic[M]):
    """models[f] is fitted without the users of fold f; folds come from a hash of user and seed."""

    models: tuple[M, ...]
    seed: int

    def folds(self, log: Log) -> Ints:
        """The fold of each user, array (n,)."""
        return log.folds(len(self.models), self.seed)


def cross_fit(log: Log, settings: Settings, seed: int, fit: Callable[[Log], M]) -> CrossFitted[M]:
    """Fits once a fold, here or as Ray tasks, which gives the same models.

    DataError where all users fall in one fold; ConfigError where Ray is asked for and not there.
    """
    folds = log.folds(settings.folds, seed)
    if len(np.unique(folds)) < 2:
        raise DataError(
            f"{len(log.users)} users are too few to fit a model on some and judge it on others; "
            "give more users, or use is, pdis, snis or snpdis"
        )
    parts = (log.select(folds != fold) for fold in range(settings.folds))
    models = _on_ray(fit, parts) if settings.folds_on_ray else map(fit, parts)
    return CrossFitted(tuple(models), seed)


def _on_ray(fit: Callable[[Log], M], parts: Iterable[Log]) -> list[M]:
    import ray

    if not ray.is_initialized():
        raise ConfigError(
            "folds_on_ray is true but this process is not connected to Ray; call ray.init first, "
            "or set folds_on_ray to false"
        )
    task = ray.remote(fit)
    models: list[M] = ray.get([task.remote(part) for part in parts])
    return models


def fold_values(log: Log, fitted: CrossFitted[FittedQ]) -> tuple[Floats, Floats]:
    """V̂(x) and Q̂(x, level sent) of each row by the model of its user's fold, arrays (N,)."""
    values = np.empty(len(log.levels))
    at_sent = np.empty(len(log.levels))
    row_folds = np.repeat(fitted.folds(log), log.lengths)
    to_go = log.to_go
    for fold, model in enumerate(fitted.models):
        rows = np.flatnonzero(row_folds == fold)
        q = model.values(log.features[rows], to_go[rows])
        values[rows] = (log.target[rows] * q).sum(1)
        at_sent[rows] = q[np.arange(len(rows)), log.levels[rows]]
    return values, at_sent
