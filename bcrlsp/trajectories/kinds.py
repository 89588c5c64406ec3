"""Which activity counts: kinds as the settings name them, in any case, and none unheard of."""

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from bcrlsp.errors import ConfigError

_SHOWN = 20


def counts(kind: Column, kinds: Sequence[str]) -> Column:
    """Whether an activity's kind is one of `kinds`; case and blanks around do not matter."""
    return _plain(kind).isin(*(each.strip().lower() for each in kinds))


def require_kinds(activity: DataFrame, kinds: Sequence[str] | None) -> None:
    """ConfigError when a kind of the settings is the kind of no activity: it would count nothing.

    activity: all that was known. kinds: None: every kind counts. Without any activity all is well.
    """
    if kinds is None:
        return
    if not kinds:
        raise ConfigError(
            "trajectories.activity_kinds = []: no activity would count; allowed: some kinds, or "
            "null for all"
        )
    rows = activity.groupBy(_plain(F.col("kind")).alias("plain")).agg(F.min("kind").alias("kind"))
    there = {row["plain"]: row["kind"] for row in rows.collect()}
    absent = [kind for kind in kinds if kind.strip().lower() not in there]
    if absent and there:
        known = sorted(there.values())
        more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
        raise ConfigError(
            f"trajectories.activity_kinds has {', '.join(map(repr, absent))}, which no activity "
            f"has as its kind; kinds that occur: {', '.join(map(repr, known[:_SHOWN]))}{more}"
        )


def _plain(kind: Column) -> Column:
    return F.lower(F.trim(kind))
