"""Decisions, ledger and status as tables: written once a micro-batch, read after a restart."""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from bcrlsp.control.limits import Limit
from bcrlsp.control.stream.rows import Change, Decision
from bcrlsp.errors import DataError, UserError
from bcrlsp.periods import Calendar
from bcrlsp.tables import TABLES, Lake

_ARROW = {
    "string": pa.string(),
    "timestamp": pa.timestamp("us", "UTC"),
    "date": pa.date32(),
    "double": pa.float64(),
    "int": pa.int32(),
    "bigint": pa.int64(),
    "map<string,double>": pa.map_(pa.string(), pa.float64()),
    "map<string,bigint>": pa.map_(pa.string(), pa.int64()),
}


class Tables:
    """The tables of one stream.

    query: id of its checkpoint: a new checkpoint is a new writer, whose numbers begin again.
    """

    def __init__(self, lake: Lake, calendar: Calendar, policy_id: str, unit: float) -> None:
        self._lake, self._calendar, self._policy, self._unit = lake, calendar, policy_id, unit

    def create(self) -> None:
        """All of them, empty, where they are not there."""
        for name in ("requests", "control_budgets", "decisions", "control_ledger",
                     "control_status"):  # fmt: skip
            self._lake.create(name)

    def write_decisions(self, query: str, batch: int, decisions: Sequence[Decision]) -> None:
        """Once a micro-batch."""
        decided = datetime.now(UTC)
        rows = [
            {
                "request_id": each.request_id,
                "user_id": each.user_id,
                "segment": each.segment,
                "request_ts": _instant(each.time),
                "decided_ts": decided,
                **self._period(each.period),
                "level": each.level,
                "amount": each.amount,
                "value": each.value,
                "cost": each.cost,
                "propensity": each.propensity,
                "policy_id": self._policy,
                "prices": each.prices,
                "charges": each.charges,
                "until_ts": _instant(each.until),
                "reason": each.reason,
            }
            for each in decisions
        ]
        self._append("decisions", query, batch, rows)

    def write_changes(self, query: str, batch: int, changes: Sequence[Change]) -> None:
        """Once a micro-batch."""
        rows = [
            {
                "kind": each.kind,
                "bonus_id": each.bonus_id,
                "event_ts": _instant(each.time),
                **(self._period(each.period) if each.period >= 0 else {}),
                "units": each.units,
                "charges": each.charges,
                "outcome": each.outcome,
                "unit": self._unit,
            }
            for each in changes
        ]
        self._append("control_ledger", query, batch, rows)

    def write_malformed(self, messages: Sequence[str]) -> None:
        """Messages that are no request, into the quarantine; the same again is there once."""
        if not messages:
            return
        found = [
            {
                "source": "requests",
                "period": None,
                "reason": "no request: request_id, user_id or request_ts is absent or unreadable",
                "record": json.dumps({"value": message}),
                "detected_ts": datetime.now(UTC),
            }
            for message in sorted(set(messages))
        ]
        self._lake.merge("quarantine", _frame(self._lake, "quarantine", found), update=False)

    def write_status(self, query: str, batch: int, status: dict[str, Any]) -> None:
        """Once a micro-batch; status: columns of the table, `period` its number."""
        row = status | self._period(status["period"])
        self._append("control_status", query, batch, [row])

    def decisions(self, since: int, query: str, before: int) -> list[Decision]:
        """Those of periods from `since` on that were left by batches before `before`."""
        first = self._calendar.start(since)
        earlier = (F.col("query_id") != query) | (F.col("batch_id") < before)
        return self._decisions((F.col("period_start") >= F.lit(first)) & earlier)

    def decisions_of(self, query: str, batch: int) -> list[Decision]:
        """Those that this very batch has left."""
        return self._decisions((F.col("query_id") == query) & (F.col("batch_id") == batch))

    def changes(self, since: int, query: str, before: int) -> list[Change]:
        """Redemptions and releases left by batches before `before`, in order."""
        first = self._calendar.start(since)
        earlier = (F.col("query_id") != query) | (F.col("batch_id") < before)
        wanted = F.col("kind").isin("redeem", "release") & earlier
        wanted &= F.col("period_start").isNull() | (F.col("period_start") >= F.lit(first))
        rows = self._lake.read("control_ledger").where(wanted).orderBy("batch_id")
        return [
            Change(
                row["kind"], row["bonus_id"], _utc(row["event_ts"]).timestamp(),
                -1 if row["period_start"] is None else self._calendar.index(row["period_start"]),
                row["units"], dict(row["charges"]), row["outcome"],
            )
            for row in rows.toArrow().to_pylist()
        ]  # fmt: skip

    def has_changes(self, query: str, batch: int) -> bool:
        """Whether this very batch has left its rows of the ledger."""
        mine = (F.col("query_id") == query) & (F.col("batch_id") == batch)
        return not self._lake.read("control_ledger").where(mine).isEmpty()

    def others(self, query: str, since: datetime) -> str | None:
        """Id of another stream that has decided since, if any."""
        mine = (F.col("query_id") != query) & (F.col("status_ts") > F.lit(since))
        row = self._lake.read("control_status").where(mine).select("query_id").first()
        return None if row is None else str(row["query_id"])

    def limits(self, period: int, now: float) -> tuple[Limit, ...]:
        """The budgets of a period in force: by name the newest row that has begun.

        Rows without a period are of every period; one of the period goes first.
        Raises UserError for a row that makes no sense.
        """
        day, at = self._calendar.period(period), _instant(now)
        wanted = F.col("period").isNull() | (F.col("period") == F.lit(day))
        rows = self._lake.read("control_budgets").where(wanted).toArrow().to_pylist()
        begun = [row for row in rows if _utc(row["from_ts"]) <= at]
        newest: dict[str, Any] = {}
        for row in sorted(begun, key=lambda r: (r["period"] is not None, _utc(r["from_ts"]))):
            newest[row["name"]] = row
        return tuple(_limit(row) for _, row in sorted(newest.items()))

    def _decisions(self, wanted: Any) -> list[Decision]:
        rows = self._lake.read("decisions").where(wanted)
        return [
            Decision(
                row["request_id"], row["user_id"], row["segment"],
                _utc(row["request_ts"]).timestamp(), self._calendar.index(row["period_start"]),
                row["level"], row["amount"], row["value"], row["cost"], row["propensity"],
                dict(row["charges"]), _utc(row["until_ts"]).timestamp(), dict(row["prices"]),
                row["reason"],
            )
            for row in rows.orderBy("request_ts", "request_id").toArrow().to_pylist()
        ]  # fmt: skip

    def _append(self, name: str, query: str, batch: int, rows: list[dict[str, Any]]) -> None:
        if not rows:
            return
        same = {"query_id": query, "batch_id": batch}
        frame = _frame(self._lake, name, [row | same for row in rows])
        self._lake.append(name, frame, f"{query}-{name}", batch)

    def _period(self, number: int) -> dict[str, Any]:
        return {
            "period": self._calendar.period(number),
            "period_start": self._calendar.start(number),
        }


def _frame(lake: Lake, name: str, rows: Iterable[dict[str, Any]]) -> DataFrame:
    fields = [
        pa.field(each.name, _ARROW[each.dataType.simpleString()], each.nullable)
        for each in TABLES[name].schema
    ]
    held = [
        {k: list(v.items()) if isinstance(v, dict) else v for k, v in row.items()} for row in rows
    ]
    return lake.spark.createDataFrame(pa.Table.from_pylist(held, pa.schema(fields)))


def _limit(row: Any) -> Limit:
    segments, levels = row["segments"], row["levels"]
    try:
        return Limit(
            row["name"],
            row["amount"],
            None if segments is None else tuple(json.loads(segments)),
            None if levels is None else tuple(int(level) for level in json.loads(levels)),
            row["measure"] or "cost",
        )
    except (json.JSONDecodeError, TypeError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        raise DataError(
            f"budget {row['name']!r} of the table control_budgets: segments {segments!r}, levels "
            f'{levels!r}; allowed: a JSON list such as ["new"] or [1, 2], or null'
        ) from None


def _instant(moment: float) -> datetime:
    return datetime.fromtimestamp(max(moment, 0.0), UTC)


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
