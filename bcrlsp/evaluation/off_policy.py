"""`estimate`: the value of a target policy from logged trajectories, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike

from bcrlsp.arrays import is_whole
from bcrlsp.errors import ConfigError
from bcrlsp.evaluation.behaviour import Calibration
from bcrlsp.evaluation.bounds import value_bounds
from bcrlsp.evaluation.diagnostics import Diagnostics, cautions, diagnose, refusals
from bcrlsp.evaluation.estimators import ESTIMATORS
from bcrlsp.evaluation.evidence import (
    Evidence,
    Gathered,
    Models,
    Request,
    collect,
    fit_models,
    settled,
)
from bcrlsp.evaluation.intervals import INTERVALS
from bcrlsp.evaluation.reading import Target, read_log
from bcrlsp.evaluation.settings import Settings
from bcrlsp.frames import as_table
from bcrlsp.given_settings import given_settings


@dataclass(frozen=True)
class Estimate:
    """An off-policy estimate.

    value: mean over users of Σ_t gamma^t times the measure along the trajectory, under the
    target; in periods retained or in money. nan where a number would mislead: `warnings` says
    why. low, high: interval for it that holds with probability `level`.
    effective_sample_size: users that the answer rests on. warnings: one line each.
    users, periods: size of the log. calibration: of modelled propensities, None where all were
    logged. diagnostics: see there.
    """

    value: float
    low: float
    high: float
    level: float
    effective_sample_size: float
    warnings: tuple[str, ...] = ()
    estimator: str = ""
    measure: str = ""
    users: int = 0
    periods: int = 0
    diagnostics: Diagnostics | None = field(default=None, repr=False)
    calibration: Calibration | None = field(default=None, repr=False)


def estimate(
    trajectories: Any,
    target: Target,
    estimator: str = "dr",
    measure: str = "retention",
    *,
    gamma: float = 0.8,
    propensities: ArrayLike | None = None,
    confidence: float = 0.95,
    interval: str = "bootstrap",
    largest: float | None = None,
    seed: int = 0,
    allowed: ArrayLike | None = None,
    settings: Settings | None = None,
) -> Estimate:
    """What the measure would be, a user, had the target policy chosen the levels.

    E over users of Σ_t gamma^t reward_t (or cost_t), t counted from the user's first row in the
    table to the end of the user's window in it.

    trajectories: pyarrow.Table, pandas or Spark DataFrame with user_id, period, step, level,
        reward or cost, terminal, propensity (null: not logged) and, for the estimators that fit
        models (dm, rem, dr, mis, drl) or where propensities are null, state. Where there is a
        column period_start, it tells periods of one day apart.
    target: array (n, a) of probabilities, one row a row of the trajectories in their order; or
        the name of a column that holds them as a list; or a function of a pyarrow.Table of rows.
        A Spark DataFrame with a name or a function is evaluated on Spark, in parts; with an
        array it is brought here first.
    estimator: a name in ESTIMATORS. measure: "retention" or "cost".
    propensities: instead of the column, array (n,) for the level sent, or (n, a) for all levels;
        nan where unknown.
    interval: "bootstrap" (studentised, over users), "percentile" or "bernstein"; with few events
        it is widened, see `events`.
    largest: the most that one row's reward or cost can be, such as the largest face value. Without
        it twice the log's largest stands in, and 1 for rewards between 0 and 1.
    allowed: bool array (n, a): levels that could be sent at all.

    Raises UserError (ConfigError, DataError) for a mistake in any of these.
    """
    settings = given_settings(Settings, settings)
    ESTIMATORS.get(estimator)
    INTERVALS.get(interval)
    request = asked(estimator, measure, gamma, seed, settings, largest, confidence)
    if hasattr(trajectories, "toArrow") and (isinstance(target, str) or callable(target)):
        if propensities is not None or allowed is not None:
            raise ConfigError(
                "propensities and allowed are in the order of the rows, which a Spark DataFrame "
                "has not; give the column propensity, or a pyarrow.Table"
            )
        # Here, so that a table needs no Spark.
        from bcrlsp.evaluation.on_spark import gather

        gathered = gather(trajectories, target, request)
    else:
        gathered = _gather(as_table(trajectories), target, request, propensities, allowed)
    return judged(gathered, request, confidence, interval)


def asked(
    estimator: str,
    measure: str,
    gamma: float,
    seed: int,
    settings: Settings,
    largest: float | None,
    confidence: float,
) -> Request:
    """The request, its numbers checked; ConfigError for one out of its range."""
    held = 1.0 if largest is None else largest
    for name, value in (("gamma", gamma), ("confidence", confidence), ("largest", held)):
        if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
            raise ConfigError(f"{name} is {value!r}; allowed: a number")
    if not 0 < confidence < 1:
        raise ConfigError(f"confidence is {confidence}; allowed: above 0 and below 1")
    if not 0 < held < np.inf:
        raise ConfigError(f"largest is {largest}; allowed: a finite amount above 0")
    if not is_whole(seed) or seed < 0:
        raise ConfigError(f"seed is {seed!r}; allowed: a whole number of at least 0")
    return Request(estimator, measure, gamma, int(seed), settings, largest)


def judged(gathered: Gathered, request: Request, confidence: float, interval: str) -> Estimate:
    """What the evidence says, or why it says nothing. interval: a name in INTERVALS."""
    settings = request.settings
    nothing = Estimate(
        np.nan, np.nan, np.nan, confidence, 0.0, (), request.estimator, request.measure
    )
    nothing = replace(nothing, users=gathered.users, periods=gathered.periods)
    found, models = gathered.evidence, gathered.models
    if found is None or models is None:
        few = (
            f"no estimate: the log has {gathered.users} users, fewer than "
            f"{settings.min_effective_users:g}"
        )
        return replace(nothing, warnings=(few,))

    notes, calibration = _on_propensities(found, models)
    diagnostics = diagnose(found.terms, found.seen)
    weighted = ESTIMATORS.get(request.estimator).weighted
    refused = refusals(diagnostics, settings, weighted)
    told = replace(
        nothing,
        effective_sample_size=diagnostics.effective_sample_size,
        warnings=(*notes, *(refused or cautions(diagnostics))),
        diagnostics=diagnostics,
        calibration=calibration,
    )
    if refused:
        return told
    terms = settled(found, request.measure).terms
    low, high, remarks = value_bounds(terms, found.events, request, confidence, interval)
    return replace(told, value=terms.value, low=low, high=high, warnings=(*told.warnings, *remarks))


def _gather(
    table: pa.Table,
    target: Target,
    request: Request,
    propensities: ArrayLike | None,
    allowed: ArrayLike | None,
) -> Gathered:
    read = read_log(
        table,
        target,
        request.measure,
        gamma=request.gamma,
        states=request.needs_states,
        propensities=propensities,
        allowed=allowed,
        largest=request.largest,
    )
    users = len(read.log.users)
    if users < request.settings.min_effective_users:
        return Gathered(users, read.periods)
    request = replace(request, modelled=bool(np.isnan(read.log.propensities).any()))
    sample = replace(read, log=read.log.sample(request.settings.max_fit_rows, request.seed))
    models = fit_models(sample, request)
    return Gathered(users, read.periods, models, collect(read, request, models))


def _on_propensities(found: Evidence, models: Models) -> tuple[list[str], Calibration | None]:
    fitted = models.propensities
    if fitted is None:
        return [], None
    return fitted.warnings(found.missing, found.raised, found.rows), fitted.calibration
