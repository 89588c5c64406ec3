"""From panels to rows: what runs in Spark's Python workers.

Both functions give `DataFrame.mapInArrow` its function: plain arguments in, a closure out, so that
it works the same under Spark Connect.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql.types import (
    ArrayType,
    FloatType,
    IntegerType,
    LongType,
    StructField,
    StructType,
)

from bcrlsp.features import FeatureSet
from bcrlsp.tables import TABLES
from bcrlsp.trajectories.blocks import user_blocks
from bcrlsp.trajectories.panel import Panel, Span, build_panel
from bcrlsp.trajectories.segments import at
from bcrlsp.trajectories.settings import Settings

Batches = Iterator[pa.RecordBatch]
InArrow = Callable[[Batches], Batches]

TRAJECTORY_SCHEMA = StructType(
    [
        *TABLES["trajectories"].schema.fields,
        StructField("conflicts", IntegerType(), False),
        StructField("duplicates", LongType(), False),
    ]
)
"""The table's columns, and what a build counts on the way."""

STATE_SCHEMA = StructType(
    [*TABLES["states"].schema.fields, StructField("state", ArrayType(FloatType()), False)]
)
"""The table's columns, and the state that the carry stands for."""

# Cells (periods x users) of a block, and rows of a batch that goes back to Spark.
_CELLS = 2**18
_BATCH = 2**15


def trajectory_rows(
    span: Span, feature_set: FeatureSet, settings: Settings, inputs: Sequence[str]
) -> InArrow:
    """The function that gives a row for each user and wanted period from entry on.

    inputs: digest of each wanted period.
    """

    def run(batches: Batches) -> Batches:
        for panel in _panels(batches, span, feature_set, settings):
            yield from _decisions(panel, span, feature_set, inputs)

    return run


def state_rows(
    start: int, period: int, feature_set: FeatureSet, settings: Settings, inputs: str
) -> InArrow:
    """The function that gives each user's carry and state at the start of `period`.

    start: where the fold begins. inputs: digest of the state.
    """
    span = Span(start, period, period)

    def run(batches: Batches) -> Batches:
        for panel in _panels(batches, span, feature_set, settings):
            carry = feature_set.fold(panel.carry, panel.records)[:, -1]
            n = len(panel.entry)
            columns = {
                "user_id": panel.users,
                **_period_columns(np.full(n, period), feature_set),
                "step": pa.array((period - panel.entry).astype(np.int32)),
                "segment": at(panel.segments, np.arange(n), np.full(n, period)),
                "carry": pa.array(feature_set.pack(carry), pa.binary()),
                "feature_set": _repeated(feature_set.hash, n),
                "inputs": _repeated(inputs, n),
                "state": _lists(feature_set.features(carry, period)),
            }
            yield _batch(columns, STATE_SCHEMA)

    return run


def _panels(
    batches: Batches, span: Span, feature_set: FeatureSet, settings: Settings
) -> Iterator[Panel]:
    users_a_block = max(1, _CELLS // (span.periods + settings.label_reach + 1))
    for block, users in user_blocks(batches, users_a_block):
        panel = build_panel(block, users, span, feature_set, settings)
        if panel is not None:
            yield panel


def _decisions(panel: Panel, span: Span, feature_set: FeatureSet, inputs: Sequence[str]) -> Batches:
    n = len(panel.entry)
    carries = feature_set.fold(panel.carry, panel.records)
    before = span.first - span.start
    carries = carries[:, before : span.periods].reshape(feature_set.words, -1)
    levels = panel.records.level[before:].ravel()
    periods = np.arange(span.first, span.stop)
    digests = pa.array(inputs, pa.string())
    cells = np.flatnonzero((periods[:, None] >= panel.entry[None, :]).ravel())
    for begin in range(0, len(cells), _BATCH):
        chosen = cells[begin : begin + _BATCH]
        user = chosen % n
        period = periods[chosen // n]
        places = pa.array(user)
        propensity = panel.propensity.ravel()[chosen]
        duplicates = np.zeros(len(chosen), dtype=np.int64)
        duplicates[0] = panel.duplicates if begin == 0 else 0
        columns = {
            "user_id": panel.users.take(places),
            **_period_columns(period, feature_set),
            "step": pa.array((period - panel.entry[user]).astype(np.int32)),
            "state": _lists(feature_set.features(carries[:, chosen], period)),
            "level": pa.array(levels[chosen].astype(np.int32)),
            "reward": pa.array(panel.reward.ravel()[chosen]),
            "cost": pa.array(panel.cost.ravel()[chosen]),
            "propensity": pa.array(propensity, mask=np.isnan(propensity)),
            "terminal": pa.array(np.zeros(len(chosen), dtype=bool)),
            "segment": at(panel.segments, user, period),
            "feature_set": _repeated(feature_set.hash, len(chosen)),
            "inputs": digests.take(pa.array(chosen // n)),
            "conflicts": pa.array(panel.conflicts.ravel()[chosen].astype(np.int32)),
            "duplicates": pa.array(duplicates),
        }
        yield _batch(columns, TRAJECTORY_SCHEMA)


def _period_columns(period: NDArray[Any], feature_set: FeatureSet) -> dict[str, pa.Array]:
    calendar = feature_set.calendar
    numbers, place = np.unique(period, return_inverse=True)
    starts = [calendar.start(int(number)) for number in numbers]
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    names = (calendar.period(int(number)) for number in numbers)
    days = np.array([(name - date(1970, 1, 1)).days for name in names], dtype=np.int32)
    micros = np.array([round((start - epoch).total_seconds()) * 10**6 for start in starts])
    return {
        "period": pa.array(days[place]).cast(pa.date32()),
        "period_start": pa.array(micros[place].astype(np.int64)).cast(pa.timestamp("us", "UTC")),
    }


def _lists(values: NDArray[np.float32]) -> pa.ListArray:
    rows, width = values.shape
    offsets = np.arange(0, (rows + 1) * width, width, dtype=np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values.ravel()))


def _repeated(text: str, n: int) -> pa.Array:
    return pa.repeat(pa.scalar(text), n)


def _batch(columns: dict[str, pa.Array], schema: StructType) -> pa.RecordBatch:
    names = schema.names
    return pa.RecordBatch.from_arrays([columns[name] for name in names], names=names)
