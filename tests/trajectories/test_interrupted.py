"""Killed anywhere and started again, or two at once: the tables are the same to the row."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from random_log import AMOUNTS, PERIODS, WINDOW

from bcrlsp.errors import ConflictError
from bcrlsp.features import FeatureSet
from bcrlsp.periods import Calendar
from bcrlsp.tables import TABLES, Lake
from bcrlsp.trajectories import Settings, build

HOW = Settings(periods_a_write=8)
RowsOf = Callable[..., list[dict[str, Any]]]


class Killed(BaseException):
    """What a test raises in place of a kill: nothing in the product catches it."""


def test_killed_after_every_single_write(
    built: Lake,
    events: Lake,
    feature_set: FeatureSet,
    calendar: Calendar,
    rows_of: RowsOf,
    monkeypatch: pytest.MonkeyPatch,
):
    """The first build is killed after no write, each next one after one more, until one is through.

    It begins where rows are right for another question (the past as it was known), so that a
    half-built table holds rows of both; and an event came too late.
    """
    how = HOW.model_copy(update={"lateness": 2})
    at = calendar.start(PERIODS - 5) + timedelta(hours=5, seconds=7)
    late = [("user-1", at, "open", 1.0, calendar.start(PERIODS - 2))]
    for lake in (events, built):
        lake.merge("activity", lake.spark.createDataFrame(late, TABLES["activity"].schema))
    build(events, how, feature_set, WINDOW)
    build(built, how, feature_set, WINDOW, known_at=calendar.start(PERIODS - 3))
    written: list[str] = []
    stages: set[str] = set()

    def counted(method: Callable[..., int]) -> Callable[..., int]:
        def wrapped(lake: Lake, name: str, *args: Any, **kwargs: Any) -> int:
            if len(written) == kills:
                raise Killed
            written.append(name)
            return method(lake, name, *args, **kwargs)

        return wrapped

    with monkeypatch.context() as patch:
        for name in ("replace", "merge"):
            patch.setattr(Lake, name, counted(getattr(Lake, name)))
        # Twice after two writes: the second time the ledger is amended, and that is the last one.
        for kills in (0, 1, 2, *range(2, 12)):  # noqa: B007 - the wrapper reads it
            written.clear()
            try:
                build(built, how, feature_set, WINDOW)
                break
            except Killed:
                stages.add(written[-1] if written else "nothing")
    assert {"nothing", "quarantine", "trajectories", "builds"} <= stages
    assert "states" in {*stages, *written}
    assert build(built, how, feature_set, WINDOW).built == []
    assert rows_of(built) == rows_of(events)
    end = [row for row in rows_of(built, "states") if row["period_start"] == PERIODS]
    assert end == rows_of(events, "states")
    ledgers = [
        {(row["period"], row["inputs"], row["empty"]) for row in lake.read("builds").collect()}
        for lake in (built, events)
    ]
    assert ledgers[0] == ledgers[1]
    quarantines = [lake.read("quarantine").collect() for lake in (built, events)]
    assert quarantines[0] == quarantines[1]
    assert len(quarantines[0]) == 1


def test_killed_by_the_system_in_the_middle_of_a_write(
    base: Lake, events: Lake, feature_set: FeatureSet, rows_of: RowsOf, calendar: Calendar
):
    """SIGKILL for driver and JVM as soon as files of trajectories lie there: no row shows early."""
    first, last = (calendar.start(p).date().isoformat() for p in (WINDOW.start, WINDOW.stop))
    settings = [f"lake.root={events.place}", f"amounts={list(AMOUNTS)}", "spark.driver_memory=1g"]
    command = [sys.executable, "-m", "bcrlsp", "trajectories", "--from", first, "--to", last]
    for setting in settings:
        command += ["--set", setting]
    # A group of its own, so that the JVM is killed with it.
    run = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    table = Path(events.place) / "trajectories"
    while run.poll() is None and not any(table.rglob("*.parquet")):
        time.sleep(0.02)
    assert run.poll() is None, "it ended before it wrote"
    os.killpg(run.pid, signal.SIGKILL)
    assert run.wait() == -signal.SIGKILL
    assert rows_of(events) in ([], rows_of(base))
    build(events, Settings(), feature_set, WINDOW)
    for name in ("trajectories", "states"):
        assert rows_of(events, name) == rows_of(base, name)


@pytest.mark.parametrize("same", [True, False])
def test_two_at_once_never_mix(
    base: Lake,
    events: Lake,
    feature_set: FeatureSet,
    calendar: Calendar,
    rows_of: RowsOf,
    same: bool,
):
    """The same periods with other inputs, or neighbours: one may be told; then all is right."""
    cut = WINDOW.start + len(WINDOW) // 2
    windows = [WINDOW, WINDOW] if same else [range(WINDOW.start, cut), range(cut, WINDOW.stop)]
    known = [None, calendar.start(PERIODS - 3)] if same else [None, None]
    told: list[BaseException] = []

    def one(number: int) -> None:
        try:
            build(events, HOW, feature_set, windows[number], known_at=known[number])
        except BaseException as error:
            told.append(error)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(isinstance(error, ConflictError) for error in told), told
    assert len(told) < 2
    inputs: dict[int, set[str]] = {}
    for row in rows_of(events):
        inputs.setdefault(row["period_start"], set()).add(row["inputs"])
    assert all(len(names) == 1 for names in inputs.values())
    build(events, HOW, feature_set, WINDOW)
    assert rows_of(events) == rows_of(base)
