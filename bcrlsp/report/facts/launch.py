"""What launching the page's policy would change, for all users and by segment."""

import math
from dataclasses import dataclass, fields

from bcrlsp.evaluation import EVERYONE
from bcrlsp.report.facts.evaluation import evaluation
from bcrlsp.report.facts.judged import Basis, newest
from bcrlsp.report.facts.policy import policy
from bcrlsp.report.reading import NothingToShowError, Reading


@dataclass(frozen=True)
class Change:
    """One row of the table `comparisons`; what was refused is nan."""

    segment: str
    measure: str
    estimator: str
    users: int
    logged: float
    estimate: float
    low: float
    high: float
    gain: float
    gain_low: float
    gain_high: float

    @property
    def known(self) -> bool:
        """Whether there is a number."""
        return math.isfinite(self.gain)

    @property
    def proven(self) -> bool:
        """Whether the interval of the gain leaves out 0."""
        return self.known and (self.gain_low > 0 or self.gain_high < 0)


@dataclass(frozen=True)
class Launch:
    """All changes of one policy."""

    changes: tuple[Change, ...]
    basis: Basis

    def overall(self, measure: str) -> Change | None:
        """Of all users."""
        return next((c for c in self._of(measure) if c.segment == EVERYONE), None)

    def by_segment(self, measure: str) -> list[Change]:
        """Of each segment, the largest first."""
        found = [c for c in self._of(measure) if c.segment != EVERYONE]
        return sorted(found, key=lambda c: (-c.users, c.segment))

    def _of(self, measure: str) -> list[Change]:
        return [c for c in self.changes if c.measure == measure]


def launch(reading: Reading) -> Launch:
    """What the newest evaluation of the page's policy found; NothingToShowError: none."""
    policy_id = reading.fact(policy).policy_id
    rows, basis = newest(reading, "comparisons", policy_id)
    if basis.made != reading.fact(evaluation).basis.made:
        raise NothingToShowError(
            f"The last evaluation of policy {policy_id} was cut short: what it compared is not of "
            f"the run that is shown; `bcrlsp evaluate --policy {policy_id}` does it again."
        )
    wanted = [part.name for part in fields(Change)]
    found = [Change(**{name: row[name] for name in wanted}) for row in rows]
    return Launch(tuple(sorted(found, key=lambda c: (c.measure, c.segment))), basis)


def proven(reading: Reading) -> bool:
    """Whether the retention that the page quotes differs from the log's: one answer for the page.

    By the interval of the difference on the same users, where the run that is quoted has one; else
    whether the two values' own intervals are apart, which asks for more. NothingToShowError where
    the policy was not evaluated.
    """
    quoted = reading.fact(evaluation)
    best = quoted.best("retention")
    try:
        compared = reading.fact(launch)
    except NothingToShowError:
        return quoted.apart("retention")
    change = compared.overall("retention")
    of_this = compared.basis.made == quoted.basis.made
    if best is None or change is None or not of_this or change.estimator != best.estimator:
        return quoted.apart("retention")
    return change.proven
