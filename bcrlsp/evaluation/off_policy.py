"""`estimate`: the value of a target policy from logged trajectories, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike

from bcrlsp.errors import ConfigError, DataError
from bcrlsp.evaluation.behaviour import Calibration
from bcrlsp.evaluation.diagnostics import Diagnostics, cautions, coverage, diagnose, refusals
from bcrlsp.evaluation.estimators import ESTIMATORS
from bcrlsp.evaluation.intervals import INTERVALS
from bcrlsp.evaluation.log import Floats
from bcrlsp.evaluation.propensities import complete
from bcrlsp.evaluation.reading import read_log
from bcrlsp.evaluation.settings import Settings


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
    target: ArrayLike | str,
    estimator: str = "dr",
    measure: str = "retention",
    *,
    gamma: float = 0.8,
    propensities: ArrayLike | None = None,
    confidence: float = 0.95,
    interval: str = "bootstrap",
    seed: int = 0,
    allowed: ArrayLike | None = None,
    settings: Settings | None = None,
) -> Estimate:
    """What the measure would be, a user, had the target policy chosen the levels.

    E over users of Σ_t gamma^t reward_t (or cost_t), t counted from the user's first row in the
    table to the end of the user's window in it.

    trajectories: pyarrow.Table, pandas or Spark DataFrame with user_id, period, step, level,
        reward or cost, terminal, propensity (null: not logged) and, for the estimators that fit
        values (dm, rem, dr, mis) or where propensities are null, state.
    target: array (n, a) of probabilities, one row a row of the trajectories in their order; or
        the name of a column that holds them as a list.
    estimator: a name in ESTIMATORS. measure: "retention" or "cost".
    propensities: instead of the column, array (n,) for the level sent, or (n, a) for all levels;
        nan where unknown.
    interval: "bootstrap" (studentised, over users), "percentile" or "bernstein".
    allowed: bool array (n, a): levels that could be sent at all.

    Raises UserError (ConfigError, DataError) for a mistake in any of these.
    """
    settings = settings or Settings()
    method, bound = ESTIMATORS.get(estimator), INTERVALS.get(interval)
    if not 0 < confidence < 1:
        raise ConfigError(f"confidence is {confidence}; allowed: above 0 and below 1")
    table = as_table(trajectories)
    read = read_log(
        table,
        column_target(table, target) if isinstance(target, str) else target,
        measure,
        gamma=gamma,
        states=method.needs_states,
        propensities=propensities,
        allowed=allowed,
    )
    fit: Calibration | None = None
    notes: list[str] = []

    def result(value: float, low: float, high: float, found: Diagnostics | None) -> Estimate:
        return Estimate(
            value=value,
            low=low,
            high=high,
            level=confidence,
            effective_sample_size=found.effective_sample_size if found else 0.0,
            warnings=tuple(notes),
            estimator=estimator,
            measure=measure,
            users=len(read.log.users),
            periods=read.periods,
            diagnostics=found,
            calibration=fit,
        )

    if len(read.log.users) < settings.min_effective_users:
        notes.append(
            f"no estimate: the log has {len(read.log.users)} users, fewer than "
            f"{settings.min_effective_users:g}"
        )
        return result(np.nan, np.nan, np.nan, None)
    completed = complete(read, settings, seed)
    log, fit, behaviour = completed.log, completed.calibration, completed.behaviour
    notes.extend(completed.warnings)
    model = method.fit(log.sample(settings.max_fit_rows, seed), settings, seed)
    terms = method.terms(log, model)
    found = diagnose(terms, coverage(log, behaviour, settings.propensity_floor))
    refused = refusals(found, settings)
    notes.extend(refused or cautions(found))
    if refused:
        return result(np.nan, np.nan, np.nan, found)
    low, high, remarks = bound(terms, confidence, settings, seed)
    notes.extend(remarks)
    return result(terms.value, low, high, found)


def as_table(trajectories: Any) -> pa.Table:
    """A pyarrow.Table of a table, a pandas DataFrame or a Spark DataFrame, in its row order."""
    if isinstance(trajectories, pa.Table):
        return trajectories
    if hasattr(trajectories, "toArrow"):
        table: pa.Table = trajectories.toArrow()
        return table
    if hasattr(trajectories, "to_records"):
        return pa.Table.from_pandas(trajectories, preserve_index=False)
    raise DataError(
        f"trajectories are a {type(trajectories).__name__}; allowed: a pyarrow.Table, a pandas or "
        "a Spark DataFrame"
    )


def column_target(table: pa.Table, name: str) -> Floats:
    """Target probabilities that a list column holds, array (n, a)."""
    if name not in table.column_names:
        raise DataError(
            f"trajectories have no column {name!r} for the target; they have: "
            f"{', '.join(table.column_names)}"
        )
    return np.array(table[name].to_pylist(), dtype=np.float64)
