"""A target against the log's own policy on the same users: of all users and of each segment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from bcrlsp.arrays import is_whole
from bcrlsp.errors import ConfigError, DataError
from bcrlsp.evaluation.bounds import gain_bounds, value_bounds
from bcrlsp.evaluation.columns import cast_column
from bcrlsp.evaluation.estimators import ESTIMATORS
from bcrlsp.evaluation.events import Events
from bcrlsp.evaluation.evidence import (
    Gathered,
    Models,
    Request,
    collect,
    fit_models,
    settled,
)
from bcrlsp.evaluation.intervals import INTERVALS
from bcrlsp.evaluation.log import Bools
from bcrlsp.evaluation.off_policy import Estimate, asked, judged
from bcrlsp.evaluation.on_policy import NAME as ON_POLICY
from bcrlsp.evaluation.propensities import complete
from bcrlsp.evaluation.reading import LoggedTable, Target, read_log
from bcrlsp.evaluation.settings import Settings
from bcrlsp.evaluation.terms import Terms
from bcrlsp.frames import as_table
from bcrlsp.given_settings import given_settings

EVERYONE = "all users"
"""The segment that holds every user."""

OTHERS = "other segments"
"""Users of the segments beyond the largest ones, and of none."""


@dataclass(frozen=True)
class Comparison:
    """One segment. Values are a user's, as in `Estimate`.

    logged: what the log's policy reached. target: the estimate for the target.
    gain: target - logged on the same users: its interval is narrower than the two apart say.
    """

    segment: str
    logged: Estimate
    target: Estimate
    gain: Estimate


def compare(
    trajectories: Any,
    target: Target,
    estimator: str = "dr",
    measure: str = "retention",
    *,
    segments: str | None = None,
    most: int = 20,
    gamma: float = 0.8,
    confidence: float = 0.95,
    interval: str = "bootstrap",
    largest: float | None = None,
    seed: int = 0,
    settings: Settings | None = None,
) -> list[Comparison]:
    """All users first, then the segments from the largest to the smallest.

    trajectories, target and the rest: as `estimate` takes them; models are fitted once, on all
    users. segments: column with the user's segment; the user's last row counts.
    most: segments told apart; the smaller ones are put together.
    With k segments, expect one 95 % interval in twenty to miss: they are not corrected for k.

    The gain of a user is its contribution to the estimate less its logged return; where the
    estimator is a ratio the contribution is its first-order share (`Terms.contributions`).
    Raises UserError as `estimate` does.
    """
    settings = given_settings(Settings, settings)
    ESTIMATORS.get(estimator)
    INTERVALS.get(interval)
    request = asked(estimator, measure, gamma, seed, settings, largest, confidence)
    if not is_whole(most) or most < 1:
        raise ConfigError(f"most is {most!r}; allowed: a whole number of at least 1")
    table = as_table(trajectories)
    read = read_log(
        table, target, measure, gamma=gamma, states=request.needs_states, largest=largest
    )
    request = replace(request, modelled=bool(np.isnan(read.log.propensities).any()))
    models = None
    if len(read.log.users) >= settings.min_effective_users:
        sample = replace(read, log=read.log.sample(settings.max_fit_rows, request.seed))
        models = fit_models(sample, request)

    def compared(name: str, part: LoggedTable) -> Comparison:
        return _compared(name, part, request, models, confidence, interval)

    found = [compared(EVERYONE, read)]
    if segments is None:
        return found
    refused = not np.isfinite(found[0].target.value)
    for name, users in _segments(table, segments, read.log.users, most):
        part = compared(name, _part(read, users))
        found.append(_without_number(part) if refused else part)
    return found


def _without_number(part: Comparison) -> Comparison:
    """Of users of whom there is no number together, some segment passes the checks by chance."""
    nan = float("nan")

    def emptied(estimate: Estimate) -> Estimate:
        warnings = (*estimate.warnings, "no number: there is none of all users together")
        return replace(estimate, value=nan, low=nan, high=nan, warnings=warnings)

    return replace(part, target=emptied(part.target), gain=emptied(part.gain))


def _compared(
    name: str,
    part: LoggedTable,
    request: Request,
    models: Models | None,
    confidence: float,
    interval: str,
) -> Comparison:
    log, settings = part.log, request.settings
    users = len(log.users)
    gathered = Gathered(users, part.periods)
    if models is not None and users >= settings.min_effective_users:
        gathered = replace(gathered, models=models, evidence=collect(part, request, models))
    estimated = judged(gathered, request, confidence, interval)
    kept = log.total(log.discounts * log.rewards)

    ones = np.ones(users)
    terms = Terms.mean(kept, ones)
    events = Events.of(log, np.ones(len(log.levels)))
    low, high, notes = value_bounds(terms, events, request, confidence, interval)
    logged = replace(
        estimated,
        value=terms.value,
        low=low,
        high=high,
        warnings=notes,
        estimator=ON_POLICY,
        effective_sample_size=float(users),
        diagnostics=None,
    )
    gain = estimated
    if models is not None and gathered.evidence is not None and np.isfinite(estimated.value):
        shares = settled(gathered.evidence, request.measure).terms.contributions
        terms = Terms.mean(shares - kept, ones)
        whole = complete(part, models.propensities).log
        excess = ESTIMATORS.get(request.estimator).importance(whole, models.estimator) - 1.0
        low, high, notes = gain_bounds(
            terms,
            Events.of(log, excess),
            Events.of(log, -excess),
            request,
            confidence,
            interval,
        )
        gain = replace(
            estimated, value=terms.value, low=low, high=high,
            warnings=tuple(dict.fromkeys((*estimated.warnings, *notes))),
        )  # fmt: skip
    return Comparison(name, logged, estimated, gain)


def _part(read: LoggedTable, users: Bools) -> LoggedTable:
    rows = np.repeat(users, read.log.lengths)
    behaviour = None if read.behaviour is None else read.behaviour[rows]
    return replace(read, log=read.log.select(users), behaviour=behaviour)


def _segments(
    table: pa.Table, column: str, users: np.ndarray, most: int
) -> Iterator[tuple[str, Bools]]:
    """Segments and who is in them, the largest first. users: sorted ids, array (n,)."""
    if column not in table.column_names:
        raise DataError(
            f"trajectories have no column {column!r} to tell segments by; they have: "
            f"{', '.join(table.column_names)}"
        )
    column_of_texts = cast_column(column, table[column], pa.string(), "texts or numbers")
    ids = np.asarray(table["user_id"].cast(pa.string()).to_pylist(), dtype=np.str_)
    steps = np.asarray(table["step"].to_numpy(), dtype=np.int64)
    order = np.lexsort((steps, ids))
    last = order[np.flatnonzero(np.append(ids[order][1:] != ids[order][:-1], True))]
    values = column_of_texts.to_pylist()
    names = np.array([_named(values[row]) for row in last], dtype=np.str_)
    known, counts = np.unique(names, return_counts=True)
    if len(known) < 2:
        return
    ranked = [str(name) for name in known[np.lexsort((known, -counts))] if name != OTHERS]
    for name in ranked[:most]:
        yield name, names == name
    rest = ~np.isin(names, ranked[:most])
    if rest.any():
        yield OTHERS, rest


def _named(segment: str | None) -> str:
    """A segment's name, which is none of those of the whole and of the rest."""
    if segment is None:
        return OTHERS
    return f"{segment} (segment)" if segment in (EVERYONE, OTHERS) else segment
