"""The rows of one run of `bcrlsp evaluate`, and what that run supposed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from pyspark.sql import Row
from pyspark.sql import functions as F

from bcrlsp.report import text
from bcrlsp.report.facts.decision import Decision
from bcrlsp.report.reading import NothingToShowError, Reading


@dataclass(frozen=True)
class Basis:
    """budgets: limits of a period, by name; None where an older version did not record them.

    first: first period of the window; None likewise. periods: in the window.
    """

    budgets: Mapping[str, float] | None
    first: date | None
    periods: int
    made: datetime

    def told(self, decision: Decision) -> str:
        """The window and the budgets, and those of the page's allocation where they are others."""
        window = text.plural(self.periods, "period")
        if self.first is not None:
            window += f" from {self.first}"
        if self.budgets is None:
            return f"Evaluated over {window}, under budgets that were not recorded."
        said = f"Evaluated over {window}, each under {_listed(self.budgets)}."
        certificate = decision.certificate
        if certificate is None or _alike(self.budgets, certificate.limits):
            return said
        return (
            f"{said} The allocation of this page has {_listed(certificate.limits)}: these figures "
            "are not of it."
        )


def newest(reading: Reading, name: str, policy_id: str) -> tuple[list[Row], Basis]:
    """The policy's rows of a table of results, of its newest run; NothingToShowError: none."""
    table = reading.table(name)
    mine = table.where(F.col("policy_id") == policy_id)
    held = mine.orderBy(F.desc("created_ts"), "measure").collect()
    if not held:
        raise NothingToShowError(
            f"Policy {policy_id} was not evaluated; `bcrlsp evaluate --policy {policy_id}` does it."
        )
    rows = [row for row in held if row["created_ts"] == held[0]["created_ts"]]
    known = rows[0].asDict()
    return rows, Basis(
        known.get("budgets"), known.get("first_period"), known["periods"], known["created_ts"]
    )


def _listed(limits: Mapping[str, float]) -> str:
    return "; ".join(f"{name} {text.money(limit)}" for name, limit in sorted(limits.items()))


def _alike(one: Mapping[str, float], other: Mapping[str, float]) -> bool:
    """Within a hundredth: the margin of expected costs differs from day to day."""
    return set(one) == set(other) and all(
        one[name] == other[name] or abs(one[name] - other[name]) <= 0.01 * abs(other[name])
        for name in one
    )
