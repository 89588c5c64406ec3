"""What the evaluations say about the policy that the page is about."""

import math
from dataclasses import dataclass, fields

from bcrlsp.evaluation.on_policy import NAME as ON_POLICY
from bcrlsp.report.facts.judged import Basis, newest
from bcrlsp.report.facts.policy import policy
from bcrlsp.report.reading import Reading

PREFERRED = ("dr", "mis", "snpdis", "snis", "dm")
"""Estimators in the order in which the headline trusts them."""


@dataclass(frozen=True)
class Estimate:
    """One row of the table `evaluations`; an estimate that was refused is nan."""

    estimator: str
    measure: str
    estimate: float
    low: float
    high: float
    periods: int
    gamma: float | None
    effective_sample_size: float | None
    warnings: str | None

    @property
    def known(self) -> bool:
        """Whether there is a number."""
        return math.isfinite(self.estimate)


@dataclass(frozen=True)
class Evaluation:
    """All estimates of one policy, and what the logged policy did by the same measure."""

    estimates: tuple[Estimate, ...]
    basis: Basis

    def of(self, measure: str) -> list[Estimate]:
        """Estimates of the new policy, by name."""
        return [e for e in self.estimates if e.measure == measure and e.estimator != ON_POLICY]

    def logged(self, measure: str) -> Estimate | None:
        """The logged policy's own value, None where it is not there."""
        found = (e for e in self.estimates if e.measure == measure and e.estimator == ON_POLICY)
        return next((e for e in found if e.known), None)

    def best(self, measure: str) -> Estimate | None:
        """The estimate that the headline quotes: the first preferred one with a number."""
        known = [e for e in self.of(measure) if e.known]
        places = {name: place for place, name in enumerate(PREFERRED)}
        return min(known, key=lambda e: places.get(e.estimator, len(places)), default=None)

    def apart(self, measure: str) -> bool:
        """Whether the intervals of the quoted estimate and of the logged policy do not overlap."""
        best, logged = self.best(measure), self.logged(measure)
        if best is None or logged is None:
            return False
        return best.low > logged.high or best.high < logged.low


def evaluation(reading: Reading) -> Evaluation:
    """The page's policy as its newest evaluation saw it; NothingToShowError where it has none."""
    rows, basis = newest(reading, "evaluations", reading.fact(policy).policy_id)
    wanted = [part.name for part in fields(Estimate)]
    found = [Estimate(**{name: row[name] for name in wanted}) for row in rows]
    return Evaluation(tuple(sorted(found, key=lambda e: (e.measure, e.estimator))), basis)
