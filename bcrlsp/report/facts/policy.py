"""The policy that the page is about."""

from dataclasses import dataclass
from datetime import date

from pyspark.sql import functions as F

from bcrlsp.report.facts.decision import decision
from bcrlsp.report.reading import NothingToShowError, Reading, empty


@dataclass(frozen=True)
class Policy:
    """algorithm, as_of: None where the table `policies` does not hold this policy."""

    policy_id: str
    algorithm: str | None
    as_of: date | None

    @property
    def name(self) -> str:
        """As a sentence names it."""
        return self.policy_id if self.algorithm is None else f"{self.policy_id} ({self.algorithm})"


def policy(reading: Reading) -> Policy:
    """The policy that made the allocation, else the newest one."""
    try:
        chosen = reading.fact(decision).policy_id
    except NothingToShowError:
        chosen = None
    try:
        rows = reading.table("policies")
    except NothingToShowError:
        if chosen is None:
            raise
        return Policy(chosen, None, None)
    if chosen is not None:
        rows = rows.where(F.col("policy_id") == chosen)
    newest = rows.orderBy(F.desc("created_ts"), F.desc("policy_id")).take(1)
    if newest:
        return Policy(newest[0]["policy_id"], newest[0]["algorithm"], newest[0]["as_of"])
    if chosen is None:
        raise empty("policies")
    return Policy(chosen, None, None)
