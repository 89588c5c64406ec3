"""Killed anywhere and started again, or two at once: the tables are the same to the row."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from random_log import PERIODS, WINDOW

from bcrlsp.errors import ConflictError
from bcrlsp.features import FeatureSet
from bcrlsp.periods import Calendar
from bcrlsp.tables import Lake
from bcrlsp.trajectories import Settings, build

HOW = Settings(periods_a_write=8)
RowsOf = Callable[..., list[dict[str, Any]]]


class Killed(BaseException):
    """What a test raises in place of a kill: nothing in the product catches it."""


def test_killed_after_every_single_write(
    base: Lake,
    built: Lake,
    feature_set: FeatureSet,
    calendar: Calendar,
    rows_of: RowsOf,
    monkeypatch: pytest.MonkeyPatch,
):
    """Each build is killed after its first write, the next one goes on, until one is through.

    It begins where rows are right for another question (the past as it was known), so that a
    half-built table holds rows of both.
    """
    build(built, HOW, feature_set, WINDOW, known_at=calendar.start(PERIODS - 3))
    writes = 0

    def once(method: Callable[..., int]) -> Callable[..., int]:
        def wrapped(*args: Any, **kwargs: Any) -> int:
            nonlocal writes
            if writes:
                raise Killed
            writes += 1
            return method(*args, **kwargs)

        return wrapped

    kills = 0
    with monkeypatch.context() as patch:
        for name in ("replace", "merge"):
            patch.setattr(Lake, name, once(getattr(Lake, name)))
        for _ in range(12):
            writes = 0
            try:
                build(built, HOW, feature_set, WINDOW)
                break
            except Killed:
                kills += 1
    assert kills >= 2, "two runs of periods and a snapshot are more than two writes"
    assert rows_of(built) == rows_of(base)
    end = [row for row in rows_of(built, "states") if row["period_start"] == PERIODS]
    assert end == rows_of(base, "states")
    assert build(built, HOW, feature_set, WINDOW).built == []


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
    for table in ("trajectories", "states", "builds"):
        events.create(table)
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
