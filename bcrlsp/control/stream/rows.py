"""Rows that a micro-batch brings and leaves; times as seconds since 1970."""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Batch:
    """What came in, in any order.

    requests: (request_id, user_id, time). redemptions: (bonus_id, amount, time). activity:
    (user_id, time, kind). malformed: messages that are no request.
    """

    requests: list[tuple[str, str, float]] = field(default_factory=list)
    redemptions: list[tuple[str, float, float]] = field(default_factory=list)
    activity: list[tuple[str, float, str]] = field(default_factory=list)
    malformed: list[str] = field(default_factory=list)

    @staticmethod
    def of(rows: list[dict[str, Any]]) -> "Batch":
        """From the rows of the stream, see `sources`."""
        batch = Batch()
        for row in rows:
            if row["source"] == "request":
                batch.requests.append((row["id"], row["user_id"], row["time"]))
            elif row["source"] == "malformed":
                batch.malformed.append(row["kind"])
            elif row["source"] == "redemption":
                batch.redemptions.append((row["id"], row["amount"], row["time"]))
            else:
                batch.activity.append((row["user_id"], row["time"], row["kind"]))
        # One order, whichever file came first: the same rows, the same decisions.
        batch.requests.sort(key=lambda request: (request[2], request[0]))
        return batch


@dataclass(frozen=True)
class Decision:
    """What was decided for a request. reason: why it is level 0 where the rule had no say."""

    request_id: str
    user_id: str
    segment: str | None
    time: float
    period: int
    level: int
    amount: float
    value: float | None
    cost: float
    propensity: float | None
    charges: dict[str, int]
    until: float
    prices: dict[str, float]
    reason: str | None = None


@dataclass(frozen=True)
class Change:
    """One change of the ledger: reserve, redeem, release or limit.

    time: of the request, of the redemption, or of what was known then.
    charges: units by budget; of a redemption what the budgets keep, of a limit {budget: limit}.
    """

    kind: str
    bonus_id: str
    time: float
    period: int
    units: int
    charges: dict[str, int]
    outcome: str = ""
