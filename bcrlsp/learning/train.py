"""Trains a policy from transitions: validation, then the algorithm."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from pydantic import BaseModel, ValidationError

from bcrlsp.errors import ConfigError, DataError
from bcrlsp.learning.algorithms import ALGORITHMS, Algorithm
from bcrlsp.learning.settings import Settings
from bcrlsp.learning.task import Progress, Task, TrainedPolicy, no_progress
from bcrlsp.learning.transitions import Transitions, check_values
from bcrlsp.policies import HEADS


def train(
    transitions: Transitions,
    settings: Settings,
    *,
    feature_names: Sequence[str],
    feature_set: str,
    amounts: ArrayLike,
    seed: int = 0,
    progress: Progress = no_progress,
    checkpoints: str | None = None,
) -> TrainedPolicy:
    """A policy learned from `transitions`, not yet saved (see `bcrlsp.policies.save_policy`).

    feature_names: (d,) names of the states' columns. feature_set: hash of their declaration.
    amounts: (a,) face values of the levels, the first 0.
    seed: of the split, the weights and the batches: the same seed and data, the same policy.
    progress: called with each point of the learning curve.
    checkpoints: folder of resumable state; an interrupted run with the same arguments goes on.
    Raises ConfigError for settings, DataError for transitions that do not fit.
    """
    algorithm, options, faces = checked(settings, amounts)
    transitions.check(len(faces), feature_names)
    check_values(transitions.states, transitions.levels, feature_names)
    if transitions.feature_set and transitions.feature_set != feature_set:
        raise DataError(
            f"trajectories of the feature set {transitions.feature_set} for training on "
            f"{feature_set}; rebuild the trajectories with the features as they are declared now"
        )
    return algorithm.train(
        Task(
            transitions=transitions,
            settings=settings,
            options=options,
            feature_names=tuple(feature_names),
            feature_set=feature_set,
            amounts=faces,
            seed=seed,
            progress=progress,
            checkpoints=checkpoints,
        )
    )


def checked(
    settings: Settings, amounts: ArrayLike
) -> tuple[Algorithm, BaseModel, tuple[float, ...]]:
    """The algorithm, its options and the amounts: what can be told before any data is read.

    Raises ConfigError for a name that no registry has, or a value that is out of range.
    """
    algorithm = ALGORITHMS.get(settings.algorithm)
    HEADS.get(settings.head)
    try:
        options = algorithm.options.model_validate(settings.options)
    except ValidationError as error:
        raise ConfigError(_first_line(error, settings.algorithm, algorithm.options)) from None
    faces = tuple(float(amount) for amount in np.asarray(amounts, float))
    if len(faces) < 2 or faces[0] != 0 or not np.isfinite(faces).all() or min(faces) < 0:
        raise ConfigError(f"amounts {faces}; allowed: at least two, the first 0, none negative")
    if settings.price and settings.largest_price:
        raise ConfigError(
            f"price {settings.price} and largest_price {settings.largest_price}; allowed: one of "
            "them: a price that is known, or every price up to the largest"
        )
    if settings.learners and settings.batch_size % settings.learners:
        raise ConfigError(
            f"batch_size {settings.batch_size} for {settings.learners} learners; allowed: a "
            "multiple of the learners"
        )
    return algorithm, options, faces


def _first_line(error: ValidationError, algorithm: str, options: type) -> str:
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        known = ", ".join(sorted(getattr(options, "model_fields", {}))) or "none"
        return f"options.{key} is unknown to the algorithm {algorithm}; allowed: {known}"
    return f"options.{key} = {first['input']!r} of the algorithm {algorithm}: {first['msg']}"
