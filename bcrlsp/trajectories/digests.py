"""What a period was built from, as one short text that is equal exactly where the inputs are.

The state of period p depends on the events of the last `MEMORY` periods before it, its labels on
those up to `settings.reach` periods after it. So a late, a changed or a withdrawn event makes just
the periods stale that it touches, whenever and in whichever order it came.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from bcrlsp.features import MEMORY, FeatureSet
from bcrlsp.trajectories import segments
from bcrlsp.trajectories.sources import HAPPENINGS, INSTANTS, Sources

_VERSION = 2
"""Raise it when the same inputs give other rows than before."""

_COLUMNS: Mapping[str, str] = {
    "activity": "user_id, event_ts, kind, amount",
    "bonuses": "bonus_id, user_id, sent_ts, level, propensity",
    "redemptions": "bonus_id, user_id, redeemed_ts, amount",
    "users": "user_id, signup_ts, segment",
}

Sums = tuple[int, int, int]
_NOTHING: Sums = (0, 0, 0)


@dataclass(frozen=True)
class Digests:
    """The inputs of the periods that were scanned."""

    _rules: str
    _reach: int
    _events: Mapping[tuple[str, int], Sums]
    _users: Mapping[int, Sums]
    _segments: Mapping[int, Sums]

    def of_rows(self, period: int) -> str:
        """The inputs of a period's trajectory rows."""
        return self._hash("rows", range(period - MEMORY, period + self._reach + 1), period)

    def of_state(self, period: int) -> str:
        """The inputs of the carried state at the start of `period`."""
        return self._hash("state", range(period - MEMORY, period), period)

    def _hash(self, kind: str, periods: range, period: int) -> str:
        events = [
            self._events.get((name, each), _NOTHING) for each in periods for name in HAPPENINGS
        ]
        # Who signed up in the period itself has the first row in the next one.
        users = _until(self._users, period - 1)
        content = json.dumps([self._rules, kind, events, users, _until(self._segments, period)])
        return hashlib.sha256(content.encode()).hexdigest()[:16]


def scan(sources: Sources, feature_set: FeatureSet, first: int, stop: int) -> Digests:
    """The inputs of periods [first, stop), and of the states at first to stop, in one pass."""
    reach = sources.settings.reach
    begin, end = first - MEMORY, stop + reach
    index = F.greatest(sources.calendar.index_of(F.col(INSTANTS["users"])), F.lit(begin))
    frames = [sources.between(name, begin, end) for name in HAPPENINGS]
    users, told = sources.users(end), sources.segments()
    people = users if told is None else segments.untold(users, told)
    frames.append(people.withColumn("period_index", index))
    summed = list(map(_sums, frames, (*HAPPENINGS, "users")))
    if told is not None:
        summed.append(segments.sums(users, told, sources.calendar, begin))
    found = {
        (row["name"], row["period_index"]): (row["n"], row["mixed"], row["total"])
        for row in reduce(DataFrame.unionByName, summed).collect()
    }
    of = {
        kind: {period: sums for (name, period), sums in found.items() if name == kind}
        for kind in ("users", "segments")
    }
    events = {key: sums for key, sums in found.items() if key[0] not in of}
    rules = json.dumps([_VERSION, feature_set.hash, sources.settings.rules, str(sources.known_at)])
    return Digests(rules, reach, events, of["users"], of["segments"])


def _sums(rows: DataFrame, name: str) -> DataFrame:
    """Count and two order-free sums of row hashes a period."""
    hashed = F.expr(f"xxhash64({_COLUMNS[name]})")
    return (
        rows.select(F.lit(name).alias("name"), "period_index", hashed.alias("hash"))
        .groupBy("name", "period_index")
        .agg(
            F.count("*").alias("n"),
            F.bit_xor("hash").alias("mixed"),
            # Half of the bits: the sum of all would leave the range of a bigint.
            F.sum(F.shiftright("hash", 32)).alias("total"),
        )
    )


def _until(sums: Mapping[int, Sums], last: int) -> Sums:
    return reduce(_join, (each for period, each in sums.items() if period <= last), _NOTHING)


def _join(a: Sums, b: Sums) -> Sums:
    return a[0] + b[0], a[1] ^ b[1], a[2] + b[2]
