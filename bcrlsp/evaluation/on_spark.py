"""Evidence from a Spark DataFrame: models fitted here on a sample, terms of all users in parts.

Users go to parts by a hash of their id; a part's rows are read, checked and weighed by the same
code as a table here, and come back as sums of groups of users. DataFrames and `applyInArrow`
alone, so that it runs under Spark Connect as well.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from bcrlsp.errors import DataError, UserError
from bcrlsp.evaluation.evidence import (
    Evidence,
    Gathered,
    Models,
    Request,
    collect,
    fit_models,
    grouped,
    merged,
)
from bcrlsp.evaluation.log import Ints
from bcrlsp.evaluation.reading import MEASURES, LoggedTable, Target, read_log

GROUPS = 2000
"""Groups of users that come back, as many as the bootstrap draws."""

ROWS_A_PART = 250_000
"""Rows that one Python worker holds at a time, some hundreds of bytes each."""

HASH_RANGE = 2**31


def gather(trajectories: DataFrame, target: Target, request: Request) -> Gathered:
    """Evidence of all users. target: a column's name or a function of a pyarrow.Table.

    A function is given every column; with a name only the columns needed are read. Raises
    DataError for what `read_log` refuses in any part.
    """
    frame = _needed(trajectories, target, request)
    instant = F.col("period_start" if "period_start" in frame.columns else "period")
    unknown = F.lit(True)
    if "propensity" in frame.columns:
        unknown = F.col("propensity").isNull() | F.isnan("propensity")
    counts = (F.count("*"), F.countDistinct("user_id"), F.count_if(unknown))
    rows, users, unlogged = (int(count) for count in frame.agg(*counts).collect()[0])
    if rows == 0:
        raise DataError("the table of trajectories is empty; nothing to evaluate: give periods")
    starts = frame.select(F.unix_micros(instant.cast("timestamp"))).distinct().toArrow()
    calendar = np.unique(np.asarray(starts.column(0).drop_null(), dtype=np.int64))
    if users < request.settings.min_effective_users:
        return Gathered(users, len(calendar))
    request = replace(request, modelled=unlogged > 0)
    sample = _sample(frame, target, request, calendar, rows, users)
    models = fit_models(sample, request)
    parts = _parts(frame, rows, _worker(target, request, calendar, models))
    return Gathered(users, len(calendar), models, merged(parts))


def _needed(frame: DataFrame, target: Target, request: Request) -> DataFrame:
    if not isinstance(target, str):
        return frame
    names = ["user_id", "period", "period_start", "step", "level", "propensity", "terminal"]
    names += ["state", MEASURES.get(request.measure, ""), target]
    # What is missing is left to `read_log`, which says so.
    return frame.select([name for name in names if name in frame.columns])


def _sample(
    frame: DataFrame, target: Target, request: Request, calendar: Ints, rows: int, users: int
) -> LoggedTable:
    wanted = request.settings.max_fit_rows / rows
    if wanted < 1:
        draw = F.pmod(F.xxhash64("user_id", F.lit(request.seed)), F.lit(HASH_RANGE))
        frame = frame.where(draw < int(wanted * HASH_RANGE))
    read = _read(frame.toArrow(), target, request, calendar)
    return replace(read, log=replace(read.log, share=len(read.log.users) / users))


def _read(table: pa.Table, target: Target, request: Request, calendar: Ints) -> LoggedTable:
    return read_log(
        table,
        target,
        request.measure,
        gamma=request.gamma,
        states=request.needs_states,
        largest=request.largest,
        calendar=calendar,
    )


def _worker(
    target: Target, request: Request, calendar: Ints, models: Models
) -> Callable[[pa.Table], pa.Table]:
    """The function of one part; everything it uses is bound here, none of it a later variable."""

    def run(table: pa.Table) -> pa.Table:
        try:
            read = _read(table, target, request, calendar)
            found = grouped(collect(read, request, models), read.log, request.seed, GROUPS)
        except UserError as error:
            return pa.table({"part": [None], "mistake": [str(error)]}, _RESULT)
        return pa.table({"part": [pickle.dumps(found)], "mistake": [None]}, _RESULT)

    return run


_RESULT = pa.schema([("part", pa.binary()), ("mistake", pa.string())])


def _parts(frame: DataFrame, rows: int, run: Callable[[pa.Table], pa.Table]) -> list[Evidence]:
    count = max(1, -(-rows // ROWS_A_PART))
    part = F.pmod(F.xxhash64("user_id"), F.lit(count))
    results: Any = frame.groupBy(part).applyInArrow(run, "part binary, mistake string")
    returned = results.toArrow()
    mistakes = sorted(line for line in returned["mistake"].to_pylist() if line is not None)
    if mistakes:
        raise DataError(mistakes[0])
    # Sorted, so that sums of floats do not depend on which part came first.
    return [pickle.loads(held) for held in sorted(returned["part"].to_pylist())]
