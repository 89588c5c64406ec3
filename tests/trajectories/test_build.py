"""Builds on real Spark and Delta: right, incremental, the same again, and as it was known."""

import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pyspark.sql import functions as F
from random_log import AMOUNTS, PERIODS, WINDOW, Log, by_the_letter, draw

from bcrlsp.errors import DataError
from bcrlsp.features import FeatureSet, default_feature_set
from bcrlsp.periods import Calendar
from bcrlsp.tables import TABLES, Lake
from bcrlsp.tables import Settings as LakeSettings
from bcrlsp.trajectories import (
    RewardSettings,
    Settings,
    build,
    require_one_definition,
    states_at,
)
from bcrlsp.trajectories.windows import newest_period

HOW = Settings()
RowsOf = Callable[..., list[dict[str, Any]]]


def expected(
    log: Log, feature_set: FeatureSet, how: Settings = HOW, window: range = WINDOW
) -> list[dict[str, Any]]:
    index = feature_set.calendar.index
    rows = by_the_letter(log, how, feature_set, window.stop)
    for row in rows:
        row["period_start"] = index(row["period_start"])
        for name in ("period", "inputs", "conflicts"):
            del row[name]
    return [row for row in rows if row["period_start"] in window]


def add(lake: Lake, name: str, rows: list[tuple[Any, ...]]) -> None:
    lake.merge(name, lake.spark.createDataFrame(rows, TABLES[name].schema))


def test_rows_are_right_and_a_replay_writes_nothing(
    built: Lake, feature_set: FeatureSet, log: Log, rows_of: RowsOf
):
    assert rows_of(built, "trajectories", "inputs") == expected(log, feature_set)
    tables = ("trajectories", "states", "builds")
    before = [built.version(name) for name in tables]
    report = build(built, HOW, feature_set, WINDOW)
    assert (report.built, report.skipped, report.snapshot) == ([], list(WINDOW), PERIODS)
    assert [built.version(name) for name in tables] == before
    rows = rows_of(built)
    report = build(built, HOW, feature_set, range(30, 33), force=True)
    assert (report.built, rows_of(built)) == ([30, 31, 32], rows)
    assert report.rows == len([row for row in rows if 30 <= row["period_start"] < 33])


def test_days_added_as_they_come_give_the_batch(
    base: Lake, lake: Lake, feature_set: FeatureSet, calendar: Calendar, log: Log, rows_of: RowsOf
):
    """A day is built from the carried states; what comes later changes no row of the past."""
    for day in (PERIODS - 2, PERIODS - 1, PERIODS):
        log.before(calendar.start(day)).write(lake, calendar.start(day))
        days = range(WINDOW.start if day == PERIODS - 2 else day - 1, day)
        assert build(lake, HOW, feature_set, days).built == list(days)
        past = [row for row in rows_of(base) if row["period_start"] < day]
        assert rows_of(lake) == past
    end = [row for row in rows_of(lake, "states") if row["period_start"] == PERIODS]
    assert end == rows_of(base, "states")


def test_a_state_is_that_of_the_decision_that_follows(
    base: Lake, feature_set: FeatureSet, rows_of: RowsOf
):
    """What is scored at the start of a period is what its row will hold."""
    rows = {row["user_id"]: row for row in rows_of(base) if row["period_start"] == 35}
    states = {row["user_id"]: row for row in states_at(base, HOW, feature_set, 35).collect()}
    assert states.keys() == rows.keys()
    for user, row in rows.items():
        for name in ("state", "step", "segment", "feature_set"):
            assert states[user][name] == row[name], name
    carried = {row["user_id"]: row["carry"] for row in rows_of(base, "states")}
    end = states_at(base, HOW, feature_set, PERIODS).collect()
    assert {row["user_id"]: row["carry"] for row in end} == carried


def test_rewards_that_lie_ahead_keep_a_row_waiting(
    events: Lake, feature_set: FeatureSet, log: Log, rows_of: RowsOf
):
    how = Settings(reward=RewardSettings(kind="count", after=1, within=2), attribution=3)
    report = build(events, how, feature_set, range(30, PERIODS + 2))
    complete = range(30, PERIODS - 3)
    assert report.pending == list(range(complete.stop, PERIODS + 2))
    assert report.snapshot == PERIODS
    wanted = expected(log, feature_set, how, range(PERIODS))
    wanted = [row for row in wanted if row["period_start"] in complete]
    assert rows_of(events, "trajectories", "inputs") == wanted


def test_the_number_of_partitions_does_not_show(
    base: Lake, events: Lake, feature_set: FeatureSet, rows_of: RowsOf
):
    conf = {
        "spark.sql.shuffle.partitions": "7",
        "spark.sql.adaptive.coalescePartitions.enabled": "false",
    }
    held = {key: events.spark.conf.get(key) for key in conf}
    try:
        for key, value in conf.items():
            events.spark.conf.set(key, value)
        build(events, HOW, feature_set, WINDOW)
        assert len(events.read("trajectories").inputFiles()) > 2 * len(WINDOW)
        # Many files of a period are put together.
        build(events, Settings(files_a_period=1), feature_set, WINDOW, force=True)
        assert len(events.read("trajectories").inputFiles()) == len(WINDOW)
    finally:
        for key, value in held.items():
            events.spark.conf.set(key, value)
    assert rows_of(events) == rows_of(base)
    assert rows_of(events, "states") == rows_of(base, "states")


def test_a_late_event_makes_just_the_periods_stale_that_it_touches(
    built: Lake, feature_set: FeatureSet, calendar: Calendar, log: Log, rows_of: RowsOf
):
    """Also: the table it comes into has grown a column since."""
    built.spark.sql(f"ALTER TABLE {built.identifier('users')} ADD COLUMNS (period_index int)")
    recent, old = (
        ("user-1", calendar.start(day) + timedelta(hours=5, seconds=7), "open", 1.0, known)
        for day, known in ((33, calendar.start(36)), (-3, calendar.start(36)))
    )
    add(built, "activity", [recent])
    assert build(built, HOW, feature_set, WINDOW).built == list(range(33, PERIODS))
    # What lies 32 periods back is out of every feature's memory.
    add(built, "activity", [old])
    assert build(built, HOW, feature_set, WINDOW).built == [28, 29]
    late = log.plus(activity=[recent, old])
    assert rows_of(built, "trajectories", "inputs") == expected(late, feature_set)


def test_events_later_than_allowed_go_to_quarantine_once(
    events: Lake, feature_set: FeatureSet, calendar: Calendar, log: Log, rows_of: RowsOf
):
    how = Settings(lateness=2)
    at = calendar.start(36) + timedelta(hours=5, seconds=7)
    just = ("user-1", at, "open", 1.0, calendar.start(38))
    late = ("user-1", at + timedelta(seconds=1), "open", 1.0, calendar.start(39))
    add(events, "activity", [just, late])
    for _ in range(2):
        assert build(events, how, feature_set, range(36, 39)).late == 1
        (row,) = events.read("quarantine").collect()
        assert (row["source"], row["reason"]) == ("activity", "late")
        assert row["period"] == calendar.period(36)
    wanted = expected(log.plus(activity=[just]), feature_set, how, range(36, 39))
    assert rows_of(events, "trajectories", "inputs") == wanted


def test_the_past_as_it_was_known(
    built: Lake, feature_set: FeatureSet, calendar: Calendar, log: Log, rows_of: RowsOf
):
    at = calendar.start(30) + timedelta(hours=5, seconds=7)
    late = ("user-1", at, "open", 1.0, calendar.start(38))
    add(built, "activity", [late])
    known = calendar.start(36)
    report = build(built, HOW, feature_set, WINDOW, known_at=known)
    # The mark was made later: at that time only later events could prove that a day was over.
    assert report.pending == list(range(35, PERIODS))
    wanted = expected(log.before(known), feature_set, HOW, range(WINDOW.start, 35))
    assert rows_of(built, "trajectories", "inputs") == wanted
    assert build(built, HOW, feature_set, WINDOW, known_at=known).built == []
    build(built, HOW, feature_set, WINDOW)
    wanted = expected(log.plus(activity=[late]), feature_set)
    assert rows_of(built, "trajectories", "inputs") == wanted


def test_what_is_no_longer_there_is_cleared(
    built: Lake, feature_set: FeatureSet, calendar: Calendar, log: Log, rows_of: RowsOf
):
    # Everybody signed up later than was thought: earlier periods are rightly empty.
    signup = calendar.start(33) - timedelta(minutes=5)
    users = [(user, signup, segment, known) for user, _, segment, known in log.users]
    later = Log(log.activity, log.bonuses, log.redemptions, users)
    built.overwrite("users", built.spark.createDataFrame(users, TABLES["users"].schema))
    assert build(built, HOW, feature_set, WINDOW).built == list(WINDOW)
    assert rows_of(built, "trajectories", "inputs") == expected(later, feature_set)
    assert {row["period_start"] for row in rows_of(built)} == set(range(33, PERIODS))
    assert build(built, HOW, feature_set, WINDOW).built == []
    # The last days are withdrawn: what came of their decisions is not known any more.
    later.before(calendar.start(36)).write(built, calendar.start(36))
    report = build(built, HOW, feature_set, WINDOW)
    assert {row["period_start"] for row in rows_of(built)} == set(range(33, 36))
    assert (report.pending, report.snapshot) == (list(range(36, PERIODS)), 36)


def test_periods_without_any_event_have_rows_of_silence(
    events: Lake, feature_set: FeatureSet, calendar: Calendar, log: Log, rows_of: RowsOf
):
    """Nobody did anything and nothing was sent, in the middle of the log."""
    silent = range(33, 36)
    quiet = Log(
        *(
            [row for row in getattr(log, name) if calendar.index(row[at]) not in silent]
            for name, at in (("activity", 1), ("bonuses", 2), ("redemptions", 2))
        ),
        log.users,
    )
    quiet.write(events)
    assert build(events, HOW, feature_set, WINDOW).built == list(WINDOW)
    assert rows_of(events, "trajectories", "inputs") == expected(quiet, feature_set)
    silence = {(r["level"], r["reward"]) for r in rows_of(events) if r["period_start"] in silent}
    assert silence == {(0, 0.0)}


@pytest.mark.long
def test_a_table_of_an_older_version_is_built_anew(
    built: Lake, feature_set: FeatureSet, rows_of: RowsOf
):
    """Trajectories and states from before rows said what they were built from."""
    wanted = rows_of(built)
    for name in ("trajectories", "states"):
        rows = built.spark.createDataFrame(built.read(name).collect(), TABLES[name].schema).drop(
            "inputs"
        )
        shutil.rmtree(built.location(name))
        rows.write.format("delta").partitionBy("period").save(built.location(name))
    fresh = Lake(built.spark, LakeSettings(root=built.place))
    assert build(fresh, HOW, feature_set, WINDOW).built == list(WINDOW)
    assert rows_of(fresh) == wanted


def test_another_feature_set_rebuilds(built: Lake, feature_set: FeatureSet, calendar: Calendar):
    dearer = default_feature_set((0.0, 1.0, 3.0), calendar)
    assert dearer.hash != feature_set.hash
    said: list[str] = []
    assert build(built, HOW, dearer, WINDOW, progress=said.append).built == list(WINDOW)
    (line,) = [line for line in said if "feature set" in line]
    assert f"{len(WINDOW)} periods are rebuilt" in line
    assert f"from {feature_set.hash} to {dearer.hash}" in line
    said.clear()
    assert build(built, HOW, dearer, WINDOW, progress=said.append).built == []
    assert said == []
    found = built.read("trajectories").select("feature_set").distinct().collect()
    assert [row["feature_set"] for row in found] == [dearer.hash]


def test_rules_name_what_changes_rows_and_nothing_else():
    assert HOW.rules == Settings(snapshots=9, periods_a_write=5, files_a_period=3).rules
    others = [
        Settings(reward=RewardSettings(kind="count")),
        Settings(reward=RewardSettings(after=1)),
        Settings(attribution=1),
        Settings(lateness=3),
        Settings(activity_kinds=("open",)),
    ]
    assert len({HOW.rules, *(other.rules for other in others)}) == 6


def test_periods_of_two_definitions_are_not_used_together(
    built: Lake, feature_set: FeatureSet, calendar: Calendar
):
    require_one_definition(built)
    other = HOW.model_copy(update={"reward": RewardSettings(kind="count")})
    build(built, other, feature_set, range(34, 36))
    require_one_definition(built, calendar.period(28), calendar.period(34))
    with pytest.raises(DataError, match=r"by 2 definitions \(\d+ from 2025-02-03 ") as told:
        require_one_definition(built, stop=calendar.period(36))
    assert 'differ in trajectories.reward.kind ("active", "count"); build' in str(told.value)
    build(built, HOW, feature_set, range(34, 36))
    require_one_definition(built)


def test_a_user_of_the_users_table_is_known_though_the_first_event_came_late(
    lake: Lake, feature_set: FeatureSet, calendar: Calendar
):
    """An app logs the sign-up as an event of the same instant; it arrives after two weeks."""
    log = Log()
    for number in range(4):
        user, signup = f"u{number}", calendar.start(0) + timedelta(hours=9)
        log.users.append((user, signup, "all", signup))
        came = calendar.start(14) if number < 2 else signup
        log.activity.append((user, signup, "signup", None, came))
        for day in range(1, 10):
            at = calendar.start(day) + timedelta(hours=number + 1)
            log.activity.append((user, at, "open", None, at))
            log.bonuses.append((f"{user}-{day}", user, at, 0, 0.0, None, None, at))
    log.write(lake)
    history = [(user, signup, "all", signup, signup) for user, signup, *_ in log.users]
    schema = TABLES["attributes_segment"].schema
    lake.overwrite("attributes_segment", lake.spark.createDataFrame(history, schema))
    known = build(lake, HOW, feature_set, range(8), known_at=calendar.start(9))
    assert known.built == list(range(8))
    rows = lake.read("trajectories").groupBy("user_id").count().collect()
    # Seven periods each, 1 to 7: all four had signed up in period 0, and it was known.
    assert {row["user_id"]: row["count"] for row in rows} == {f"u{n}": 7 for n in range(4)}


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo"])
def test_the_newest_period_is_the_same_wherever_the_machine_is(
    base: Lake, calendar: Calendar, monkeypatch: pytest.MonkeyPatch, zone: str
):
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert newest_period(base, calendar) == WINDOW.stop - 1
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.long
def test_periods_of_some_hours_replace_no_neighbour(lake: Lake):
    hours = Calendar(datetime(2025, 1, 6, tzinfo=UTC), timedelta(hours=6))
    features = default_feature_set(AMOUNTS, hours)
    log = draw(hours, users=5, length=12, seed=2)
    log.write(lake, hours.start(12))
    build(lake, HOW, features, range(12))

    def rows() -> list[Any]:
        frame = lake.read("trajectories").orderBy("user_id", "step")
        return frame.withColumn("index", hours.index_of(F.col("period_start"))).collect()

    whole = rows()
    assert [(r["user_id"], r["index"], r["state"], r["reward"]) for r in whole] == [
        (r["user_id"], r["period_start"], r["state"], r["reward"])
        for r in expected(log, features, HOW, range(12))
    ]
    report = build(lake, HOW, features, range(5, 7), force=True)
    assert (report.built, rows()) == ([5, 6], whole)


@pytest.mark.long
def test_only_the_newest_snapshots_are_kept(built: Lake, feature_set: FeatureSet):
    def held() -> set[int]:
        index = feature_set.calendar.index_of(F.col("period_start"))
        return {row[0] for row in built.read("states").select(index).distinct().collect()}

    build(built, Settings(snapshots=2), feature_set, range(34, 35))
    assert held() == {35, PERIODS}
    build(built, Settings(snapshots=2), feature_set, range(36, 37))
    assert held() == {37, PERIODS}
    build(built, Settings(snapshots=1), feature_set, range(30, 31))
    assert held() == {37, PERIODS}, "an old window writes no snapshot"


def test_states_ahead_of_the_events_are_refused(lake: Lake, base: Lake, feature_set: FeatureSet):
    with pytest.raises(DataError, match="no table"):
        states_at(lake, HOW, feature_set, PERIODS)
    with pytest.raises(DataError, match="no state at 2025-02-16") as caught:
        states_at(base, HOW, feature_set, PERIODS + 1)
    assert "\n" not in str(caught.value)
