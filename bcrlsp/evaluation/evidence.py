"""From a validated log to the sums that an estimate needs; parts of a log add up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from typing import Any

import numpy as np

from bcrlsp.evaluation.diagnostics import Coverage, coverage
from bcrlsp.evaluation.estimators import ESTIMATORS
from bcrlsp.evaluation.events import Events
from bcrlsp.evaluation.log import Floats, Log, user_hash
from bcrlsp.evaluation.propensities import Propensities, complete
from bcrlsp.evaluation.reading import LoggedTable
from bcrlsp.evaluation.settings import Settings
from bcrlsp.evaluation.terms import Terms


@dataclass(frozen=True)
class Request:
    """What is asked for.

    largest: most that a row's reward or cost can be, where that is known. modelled: whether some
    propensities were not logged.
    """

    estimator: str
    measure: str
    gamma: float
    seed: int
    settings: Settings
    largest: float | None = None
    modelled: bool = False

    @property
    def needs_states(self) -> bool:
        """Whether a model of any kind needs them."""
        return self.modelled or ESTIMATORS.get(self.estimator).needs_states


@dataclass(frozen=True, eq=False)
class Models:
    """Everything fitted, on a sample of users: of the behaviour, and what the estimator needs."""

    propensities: Propensities | None
    estimator: Any


@dataclass(frozen=True, eq=False)
class Evidence:
    """Terms, coverage and events of some users.

    missing, raised: as in `Completed`; rows: in all.
    """

    terms: Terms
    seen: Coverage
    events: Events
    missing: int
    raised: int
    rows: int


def fit_models(sample: LoggedTable, request: Request) -> Models:
    """Fits what is needed; sample.log is the sample, with its share of all users."""
    propensities = None
    if request.modelled:
        propensities = Propensities.fit(sample.log, request.settings, request.seed)
    log = complete(sample, propensities).log
    method = ESTIMATORS.get(request.estimator)
    return Models(propensities, method.fit(log, request.settings, request.seed))


def collect(read: LoggedTable, request: Request, models: Models) -> Evidence:
    """Evidence of the users of one log or part of it."""
    completed = complete(read, models.propensities)
    log = completed.log
    method = ESTIMATORS.get(request.estimator)
    return Evidence(
        method.terms(log, models.estimator),
        coverage(log, completed.behaviour, request.settings.propensity_floor),
        Events.of(log, method.importance(log, models.estimator)),
        completed.missing,
        completed.raised,
        len(log.levels),
    )


def settled(found: Evidence, measure: str) -> Evidence:
    """What a target that sends nothing costs is known: nothing, if a row of level 0 never did.

    Its terms become 0, whatever a model says of levels that the target does not use.
    """
    sends = float(found.seen.mass[1:].sum()) > 0
    if measure != "cost" or sends or found.seen.unsent > 0:
        return found
    free = replace(found.terms, numerator=np.zeros_like(found.terms.numerator))
    return replace(found, terms=free)


def grouped(found: Evidence, log: Log, seed: int, count: int) -> Evidence:
    """Users summed in `count` groups by a hash of their id, so that parts of a log are small and
    can be added."""
    groups = np.array([user_hash(user, seed) % count for user in log.users], dtype=np.int64)
    return replace(found, terms=found.terms.grouped(groups, count))


def merged(parts: Sequence[Evidence]) -> Evidence:
    """One evidence from those of grouped parts; groups without users are left out."""
    width = max(part.terms.numerator.shape[1] for part in parts)

    def total(name: str) -> Floats:
        columns = [getattr(part.terms, name) for part in parts]
        wide = [np.pad(held, ((0, 0), (0, width - held.shape[1]))) for held in columns]
        summed: Floats = np.sum(wide, axis=0)
        return summed

    sizes = np.sum([part.terms.sizes for part in parts], axis=0)
    kept = sizes > 0
    terms = Terms(
        total("numerator")[kept],
        total("denominator")[kept],
        total("at_risk")[kept],
        sizes[kept],
        np.concatenate([part.terms.weights for part in parts]),
    )
    return Evidence(
        terms,
        reduce(add, (part.seen for part in parts)),
        reduce(add, (part.events for part in parts)),
        sum(part.missing for part in parts),
        sum(part.raised for part in parts),
        sum(part.rows for part in parts),
    )


@dataclass(frozen=True, eq=False)
class Gathered:
    """All users' evidence, or none where they are too few to say anything.

    users, periods: size of the log.
    """

    users: int
    periods: int
    models: Models | None = None
    evidence: Evidence | None = None
