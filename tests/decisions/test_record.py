"""Decisions, certificate and frontier: of one run, whole, whoever is killed or runs beside it."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from bcrlsp.decisions import Record, certified_run, commit, decisions, runs_of
from bcrlsp.errors import ConflictError
from bcrlsp.periods import Calendar
from bcrlsp.tables import TABLES, Lake
from bcrlsp.tables import Settings as LakeSettings

CALENDAR = Calendar(datetime(2025, 1, 6, tzinfo=UTC), timedelta(days=1))
HOURS = Calendar(datetime(2025, 1, 6, tzinfo=UTC), timedelta(hours=6))
USERS = 12


class Killed(BaseException):
    """What a test raises in place of a kill: nothing in the product catches it."""


@pytest.fixture
def lake(spark: SparkSession, tmp_path: Path) -> Lake:
    return Lake(spark, LakeSettings(root=str(tmp_path / "lake")))


def record(
    lake: Lake, run: str, level: int, *, period: int = 0, calendar: Calendar = CALENDAR
) -> Record:
    """Everybody gets `level`, of the amount 1 each."""
    start = calendar.start(period)
    key = {"period": start.date(), "period_start": start}
    rows = [
        {**key, "user_id": f"u{user}", "level": level, "amount": float(level), "value": 1.0,
         "cost": float(level), "policy_id": "p", "run_id": run}
        for user in range(USERS)
    ]  # fmt: skip
    schema = TABLES["allocations"].schema
    held = [tuple(row[name] for name in schema.names) for row in rows]
    spend = {"total": float(level * USERS)}
    certificate = {
        **key, "run_id": run, "policy_id": "p", "value": 12.0, "bound": 12.0, "gap": 0.0,
        "prices": {"total": 0.0}, "spend": spend, "limits": spend, "passes": 1, "users": USERS,
        "source_versions": {}, "lags": {},
    }  # fmt: skip
    point = {"budget": 1.0, "spend": 1.0, "value": 1.0, "price": 0.0}
    frontier = [{**key, "run_id": run, **point}]
    seen = runs_of(lake, calendar, period)
    frame = lake.spark.createDataFrame(held, schema)
    return Record(period, run, frame, certificate, frontier, seen)


def shown(lake: Lake, period: int = 0, calendar: Calendar = CALENDAR) -> tuple[str, set[int]]:
    """Run and levels of a period, as its readers see them; and that the table holds no others."""
    found = decisions(lake, calendar, period)
    if found is None:
        return "", set()
    rows = found.collect()
    run = certified_run(lake, calendar, period)
    assert {row["run_id"] for row in rows} == {run}
    assert len({row["user_id"] for row in rows}) == len(rows) == USERS
    return str(run), {row["level"] for row in rows}


def certificates(lake: Lake) -> dict[str, Any]:
    rows = lake.read("certificates").orderBy("created_ts").collect()
    return {row["run_id"]: row["created_ts"] for row in rows}


def test_killed_after_every_single_write_shows_the_one_run_or_the_other(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(lake, CALENDAR, record(lake, "old", 1))
    assert shown(lake) == ("old", {1})
    written: list[str] = []
    found: list[str] = []

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
        for kills in range(9):  # noqa: B007 - the wrapper reads it
            written.clear()
            try:
                commit(lake, CALENDAR, record(lake, "new", 2))
                break
            except Killed:
                found.append(written[-1] if written else "nothing")
                assert shown(lake) == ("old", {1})
                table = lake.read("allocations").select("run_id", "level").distinct().collect()
                assert [tuple(row) for row in table] == [("old", 1)]
    assert found == ["nothing", "frontiers", "certificates"]
    assert shown(lake) == ("new", {2})
    assert list(certificates(lake)) == ["old", "new"]
    before = {
        name: sorted(map(str, lake.read(name).collect()))
        for name in ("allocations", "certificates", "frontiers")
    }
    commit(lake, CALENDAR, record(lake, "new", 2))
    for name, rows in before.items():
        assert sorted(map(str, lake.read(name).collect())) == rows, name
    # A run of before, once more: its certificate is the newest again.
    commit(lake, CALENDAR, record(lake, "old", 1))
    assert shown(lake) == ("old", {1})
    assert list(certificates(lake)) == ["new", "old"]


@pytest.mark.parametrize(("at", "first"), [("frontiers", "old"), ("allocations", "")])
def test_a_run_that_another_one_overtakes_leaves_nothing(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, at: str, first: str
) -> None:
    """The other run is planned as early, and goes from start to end before one of the writes."""
    if first:
        commit(lake, CALENDAR, record(lake, first, 0))
    mine, other = record(lake, "mine", 1), record(lake, "other", 2)
    begun: list[str] = []

    def before(method: Callable[..., int]) -> Callable[..., int]:
        def wrapped(lake: Lake, name: str, *args: Any, **kwargs: Any) -> int:
            if name == at and not begun:
                begun.append(name)
                commit(lake, CALENDAR, other)
            return method(lake, name, *args, **kwargs)

        return wrapped

    with monkeypatch.context() as patch:
        for name in ("replace", "merge"):
            patch.setattr(Lake, name, before(getattr(Lake, name)))
        with pytest.raises(ConflictError, match="another run allocated 2025-01-06T00:00 at the sa"):
            commit(lake, CALENDAR, mine)
    assert begun == [at]
    assert shown(lake) == ("other", {2})
    assert set(certificates(lake)) == {name for name in (first, "other") if name}
    assert list(certificates(lake))[-1] == "other"
    frontier = {row["run_id"] for row in lake.read("frontiers").collect()}
    assert frontier == set(certificates(lake))


def test_a_plan_that_is_older_than_the_decisions_is_told(lake: Lake) -> None:
    mine = record(lake, "mine", 1)
    commit(lake, CALENDAR, record(lake, "other", 2))
    versions = {name: lake.version(name) for name in ("allocations", "certificates", "frontiers")}
    with pytest.raises(ConflictError, match="its decisions and certificate stay"):
        commit(lake, CALENDAR, mine)
    assert versions == {name: lake.version(name) for name in versions}
    # Planned again, it goes through.
    commit(lake, CALENDAR, record(lake, "mine", 1))
    assert shown(lake) == ("mine", {1})


def at_once(lake: Lake, records: list[Record], calendar: Calendar) -> list[BaseException]:
    told: list[BaseException] = []

    def one(each: Record) -> None:
        try:
            commit(lake, calendar, each)
        except BaseException as error:
            told.append(error)

    threads = [threading.Thread(target=one, args=(each,)) for each in records]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return told


def test_of_two_runs_at_once_one_wins_whole(lake: Lake) -> None:
    commit(lake, CALENDAR, record(lake, "old", 0))
    pair = [record(lake, "a", 1), record(lake, "b", 2)]
    told = at_once(lake, pair, CALENDAR)
    assert [type(error) for error in told] == [ConflictError]
    run, levels = shown(lake)
    assert (run, levels) in [("a", {1}), ("b", {2})]
    assert list(certificates(lake)) == ["old", run]
    # The same run beside itself: the same rows, and both are told so.
    again = record(lake, "c", 1)
    assert at_once(lake, [again, again], CALENDAR) == []
    assert shown(lake) == ("c", {1})
    assert list(certificates(lake))[-1] == "c"


@pytest.mark.parametrize("calendar", [CALENDAR, HOURS])
def test_runs_of_two_periods_at_once_both_win(lake: Lake, calendar: Calendar) -> None:
    """Also where both lie in one partition of the table."""
    commit(lake, calendar, record(lake, "old", 0, calendar=calendar))
    pair = [
        record(lake, run, level, period=period, calendar=calendar)
        for run, level, period in (("a", 1, 0), ("b", 2, 1))
    ]
    assert at_once(lake, pair, calendar) == []
    assert shown(lake, 0, calendar) == ("a", {1})
    assert shown(lake, 1, calendar) == ("b", {2})


def test_decisions_without_their_certificate_are_none(lake: Lake) -> None:
    assert decisions(lake, CALENDAR, 0) is None
    made = record(lake, "a", 1)
    where = "period = DATE'2025-01-06'"
    lake.replace("allocations", made.decisions, where)
    assert decisions(lake, CALENDAR, 0) is None
    commit(lake, CALENDAR, record(lake, "b", 2))
    assert shown(lake) == ("b", {2})
    lake.replace("allocations", made.decisions, where)  # of a run that has no certificate
    assert decisions(lake, CALENDAR, 0) is None
    commit(lake, CALENDAR, record(lake, "b", 2))
    lake.replace("allocations", lake.read("allocations").limit(USERS - 1), where)  # not whole
    assert decisions(lake, CALENDAR, 0) is None
    both = record(lake, "b", 2).decisions.limit(5).union(made.decisions.limit(7))
    lake.replace("allocations", both, where)  # two runs, as older versions could leave them
    assert decisions(lake, CALENDAR, 0) is None
    commit(lake, CALENDAR, record(lake, "c", 1))
    assert shown(lake) == ("c", {1})
