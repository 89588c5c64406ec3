"""Trains a policy from transitions: validation, then the algorithm."""

import itertools
from collections.abc import Iterable, Sequence
from os import PathLike

import numpy as np
from numpy.typing import ArrayLike
from pydantic import BaseModel, ValidationError

from bcrlsp.arrays import MOST_LEVELS, as_numbers
from bcrlsp.errors import ConfigError, DataError
from bcrlsp.given_settings import given_settings
from bcrlsp.learning.algorithms import ALGORITHMS, Entry
from bcrlsp.learning.checkpoints import Checkpoints
from bcrlsp.learning.dispatch import trained_by
from bcrlsp.learning.settings import Settings
from bcrlsp.learning.task import (
    Keep,
    Progress,
    Task,
    TrainedPolicy,
    keeps_nothing,
    no_progress,
)
from bcrlsp.learning.transitions import Transitions, check_values
from bcrlsp.policies import HEADS

# Costs are learned in single precision.
_MOST_MONEY = float(np.finfo(np.float32).max)


def train(
    transitions: Transitions,
    settings: Settings,
    *,
    feature_names: Sequence[str],
    feature_set: str,
    amounts: ArrayLike,
    seed: int = 0,
    progress: Progress = no_progress,
    checkpoints: str | PathLike[str] | None = None,
    keep: Keep = keeps_nothing,
) -> TrainedPolicy:
    """A policy learned from `transitions`, not yet saved (see `bcrlsp.policies.save_policy`).

    feature_names: (d,) names of the states' columns. feature_set: hash of their declaration.
    amounts: (a,) face values of the levels, the first 0.
    seed: of the split, the weights and the batches: the same seed and data, the same policy. From 0
        to 2^32 - 1.
    progress: called with each point of the learning curve.
    checkpoints: folder of resumable state; an interrupted run with the same arguments goes on, and
        comes to the same policy. A run that has ended leaves nothing there.
    keep: called with the result before the checkpoints go: it saves the policy, so that a kill in
        between costs nothing.
    Raises ConfigError for settings, DataError for transitions that do not fit.
    """
    if not isinstance(transitions, Transitions):
        raise DataError(
            f"transitions is a {type(transitions).__name__}; allowed: Transitions, such as those "
            "of from_frame"
        )
    algorithm, options, faces = checked(settings, amounts)
    feature_names = _checked_names(feature_names, feature_set)
    if checkpoints is not None and not isinstance(checkpoints, str | PathLike):
        raise ConfigError(f"checkpoints {checkpoints!r}; allowed: a folder, or None for none")
    where = None if checkpoints is None else str(checkpoints)
    transitions.check(len(faces), feature_names)
    check_values(transitions.states, feature_names)
    if transitions.feature_set and transitions.feature_set != feature_set:
        raise DataError(
            f"trajectories of the feature set {transitions.feature_set} for training on "
            f"{feature_set}; rebuild the trajectories with the features as they are declared now"
        )
    task = Task(
        transitions=transitions,
        settings=settings,
        options=options,
        feature_names=feature_names,
        feature_set=feature_set,
        amounts=faces,
        seed=_checked_seed(seed),
        progress=progress,
        checkpoints=where,
    )
    trained = trained_by(algorithm, task)
    keep(trained)
    Checkpoints(where, task.identity).remove()
    return trained


def checked(settings: Settings, amounts: ArrayLike) -> tuple[Entry, BaseModel, tuple[float, ...]]:
    """The algorithm, its options and the amounts: what can be told before any data is read.

    Raises ConfigError for a name that no registry has, or a value that is out of range.
    """
    settings = given_settings(Settings, settings)
    algorithm = ALGORITHMS.get(settings.algorithm)
    HEADS.get(settings.head)
    try:
        options = algorithm.options.model_validate(settings.options)
    except ValidationError as error:
        raise ConfigError(_first_line(error, settings.algorithm, algorithm.options)) from None
    faces = _faces(amounts)
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


def _faces(amounts: ArrayLike) -> tuple[float, ...]:
    """Amounts as floats, or ConfigError."""
    try:
        faces = tuple(as_numbers(amounts, "amounts").tolist())
        rising = all(low < high for low, high in itertools.pairwise(faces))
        good = (
            2 <= len(faces) <= MOST_LEVELS and faces[0] == 0 and rising and faces[-1] <= _MOST_MONEY
        )
    except (TypeError, ValueError):
        good = False
    if not good:
        raise ConfigError(
            f"amounts {amounts!r}; allowed: from 2 to {MOST_LEVELS} numbers, the first 0, each "
            "above the one before"
        )
    return faces


def _checked_names(given: Iterable[str], feature_set: str) -> tuple[str, ...]:
    """The names; ConfigError for some that no policy can be saved with."""
    if not isinstance(feature_set, str) or not feature_set:
        raise ConfigError(f"feature_set {feature_set!r}; allowed: the hash of a feature set")
    listed = isinstance(given, Iterable) and not isinstance(given, str)
    names = tuple(given) if listed else ()
    if not listed or not all(isinstance(name, str) and name for name in names):
        raise ConfigError(f"feature_names {given!r}; allowed: a name for each column of a state")
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ConfigError(f"feature_names has {min(twice)!r} twice; allowed: each column its own")
    return names


def _checked_seed(seed: int) -> int:
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < 2**32:
        raise ConfigError(f"seed {seed!r}; allowed: a whole number from 0 to 2^32 - 1")
    return int(seed)


def _first_line(error: ValidationError, algorithm: str, options: type) -> str:
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        known = ", ".join(sorted(getattr(options, "model_fields", {}))) or "none"
        return f"options.{key} is unknown to the algorithm {algorithm}; allowed: {known}"
    return f"options.{key} = {first['input']!r} of the algorithm {algorithm}: {first['msg']}"
