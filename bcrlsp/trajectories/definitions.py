"""What a reward, a cost and a step are: one definition for all rows that are used together.

The settings that change a row (`Settings.rules`) stand beside each period in the ledger. Periods of
two definitions are two kinds of reward under one name.
"""

import json
from collections.abc import Iterator
from datetime import date
from typing import Any

from pyspark.sql import functions as F

from bcrlsp.errors import DataError
from bcrlsp.tables import Lake

_NAMED = 3


def require_one_definition(lake: Lake, first: date | None = None, stop: date | None = None) -> None:
    """DataError when periods from `first` to `stop` (excluded; None: no end) have several.

    Periods that an older version of this package built do not say what they were built by.
    """
    if not lake.exists("builds"):
        return
    rows = lake.read("builds")
    if "rules" not in rows.columns:
        return
    rows = rows.where("table_name = 'trajectories' AND NOT empty AND rules IS NOT NULL")
    if first is not None:
        rows = rows.where(F.col("period") >= F.lit(first))
    if stop is not None:
        rows = rows.where(F.col("period") < F.lit(stop))
    found = (
        rows.groupBy("rules")
        .agg(F.min("period").alias("low"), F.max("period").alias("high"), F.count("*").alias("n"))
        .orderBy("low", "rules")
        .collect()
    )
    if len(found) < 2:
        return
    one, other = found[0], found[-1]
    differences = list(_differences(json.loads(one["rules"]), json.loads(other["rules"])))
    more = f" and {len(differences) - _NAMED} more" if len(differences) > _NAMED else ""
    spans = " and ".join(f"{row['n']} from {row['low']} to {row['high']}" for row in (one, other))
    raise DataError(
        f"the trajectories were built by {len(found)} definitions ({spans}), which differ in "
        f"{', '.join(differences[:_NAMED])}{more}; build all of them with one: bcrlsp trajectories"
    )


def _differences(one: dict[str, Any], other: dict[str, Any], at: str = "") -> Iterator[str]:
    """trajectories.reward.kind ("active", "count"), and so on."""
    for key in sorted(one.keys() | other.keys()):
        mine, theirs = one.get(key), other.get(key)
        if isinstance(mine, dict) and isinstance(theirs, dict):
            yield from _differences(mine, theirs, f"{at}{key}.")
        elif mine != theirs:
            yield f"trajectories.{at}{key} ({json.dumps(mine)}, {json.dumps(theirs)})"
