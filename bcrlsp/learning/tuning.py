"""A search over settings through Ray Tune: `train --tune`."""

import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any

from numpy.typing import ArrayLike
from pydantic import ValidationError

from bcrlsp.errors import ConfigError
from bcrlsp.learning.batches import split
from bcrlsp.learning.improvement import improvement
from bcrlsp.learning.rllib.cluster import ray_for
from bcrlsp.learning.settings import Settings
from bcrlsp.learning.training import checked, train
from bcrlsp.learning.transitions import Transitions

_PARALLEL = 2


@dataclass(frozen=True)
class Trial:
    """changes: to the settings, by name. gain, error: see `improvement`."""

    changes: dict[str, Any]
    gain: float
    error: float


def changed(settings: Settings, changes: Mapping[str, Any]) -> Settings:
    """The settings with some changed; `options.NAME` is one of the algorithm's own.

    Raises ConfigError for a name that is none, or a value out of range.
    """
    fields = settings.model_dump()
    for name, value in changes.items():
        own = name.removeprefix("options.")
        if own != name:
            fields["options"] = {**fields["options"], own: value}
        elif name in fields and name not in ("search", "options", "holdout"):
            fields[name] = value
        else:
            raise ConfigError(
                f"training.search has {name!r}; allowed: a setting of training, or options.NAME"
            )
    try:
        return Settings.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ConfigError(
            f"training.search: {place} = {first['input']!r}: {first['msg']}"
        ) from None


def check_search(settings: Settings, amounts: ArrayLike) -> None:
    """ConfigError unless every value of `settings.search` makes settings that can be trained."""
    if not any(settings.search.values()):
        raise ConfigError("training.search is empty; allowed: values by setting to draw from")
    if not settings.holdout:
        raise ConfigError("holdout 0 with --tune; allowed: above 0, users to compare settings on")
    for name, values in settings.search.items():
        for value in values:
            checked(changed(settings, {name: value}), amounts)


def search(
    transitions: Transitions,
    settings: Settings,
    trials: int,
    *,
    feature_names: Sequence[str],
    feature_set: str,
    amounts: ArrayLike,
    seed: int,
) -> list[Trial]:
    """`trials` draws from `settings.search`, each trained and measured, the best first.

    Measured by `improvement` on held-out users, with the discount and price of `settings` whatever
    the trial's. Raises ConfigError for settings, DataError for transitions that do not fit.
    """
    from ray import tune
    from ray.tune.search.basic_variant import BasicVariantGenerator

    check_search(settings, amounts)
    one = settings.model_copy(update={"learners": 0, "threads": settings.threads or 1})
    given = {
        "feature_names": tuple(feature_names),
        "feature_set": feature_set,
        "amounts": tuple(amounts) if isinstance(amounts, Sequence) else amounts,
        "seed": seed,
    }
    with (
        ray_for(_PARALLEL, transitions),
        tempfile.TemporaryDirectory() as folder,
        redirect_stdout(sys.stderr),  # Tune tells of itself; stdout is for results
    ):
        body = tune.with_parameters(_trial, transitions=transitions, settings=one, given=given)
        results: Any = tune.Tuner(
            tune.with_resources(body, {"cpu": 1}),
            param_space={name: tune.choice(list(each)) for name, each in one.search.items()},
            tune_config=tune.TuneConfig(
                num_samples=trials,
                search_alg=BasicVariantGenerator(max_concurrent=_PARALLEL, random_state=seed),
            ),
            run_config=tune.RunConfig(storage_path=folder, verbose=0),
        ).fit()
        for error in results.errors:
            raise error
        found = [
            Trial(dict(each.config), each.metrics["gain"], each.metrics["error"])
            for each in results
        ]
    return sorted(found, key=lambda trial: -trial.gain)


def _trial(
    config: dict[str, Any], *, transitions: Transitions, settings: Settings, given: dict[str, Any]
) -> dict[str, float]:
    """One draw: what Ray Tune calls."""
    policy = train(transitions, changed(settings, config), **given).policy
    rows = split(transitions, settings.holdout, given["seed"]).holdout
    gain, error = improvement(policy, transitions, rows, gamma=settings.gamma, price=settings.price)
    return {"gain": gain, "error": error}
