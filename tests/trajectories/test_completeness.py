"""What is over, on real tables: feeds that lag, marks, holes, money without a row, grids."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from random_log import AMOUNTS, Log, by_the_letter, draw

from bcrlsp import periods
from bcrlsp.deliveries import (
    FEEDS,
    check_marks,
    clear_marks,
    read_marks,
    write_marks,
    write_whole,
)
from bcrlsp.errors import DataError, UserError
from bcrlsp.features import MEMORY, FeatureSet, default_feature_set
from bcrlsp.periods import Calendar
from bcrlsp.tables import TABLES, Lake
from bcrlsp.tables import Settings as LakeSettings
from bcrlsp.trajectories import Settings, build, find_states, forget_grid, states_at
from bcrlsp.trajectories.completeness import (
    Completeness,
    described_holes,
    find_completeness,
    told_waiting,
    waiting,
    warned,
)
from bcrlsp.trajectories.sources import Sources
from bcrlsp.trajectories.unattributed import find_unattributed

HOW = Settings()
RowsOf = Callable[..., list[dict[str, Any]]]


def steady(calendar: Calendar, activity: range, bonuses: range, redemptions: range) -> Log:
    """Ten users who come and are sent a bonus of level 1 every day, and redeem it, of some days."""
    log = Log()
    for number in range(10):
        user = f"u{number}"
        signup = calendar.start(0) - timedelta(hours=3)
        log.users.append((user, signup, "all", signup))
        for day in bonuses:
            at = calendar.start(day)
            log.bonuses.append((f"{user}-{day}", user, at, 1, AMOUNTS[1], 0.5, None, at))
        for day in activity:
            at = calendar.start(day) + timedelta(hours=9, minutes=number)
            log.activity.append((user, at, "open", None, at))
        for day in redemptions:
            at = calendar.start(day) + timedelta(hours=10, minutes=number)
            log.redemptions.append((f"{user}-{day}", user, at, AMOUNTS[1], at))
    return log


def look(
    lake: Lake, features: FeatureSet, window: range, how: Settings = HOW
) -> tuple[Completeness, dict[str, list[int]]]:
    """What a build of the window would find over, and what it would wait for."""
    sources = Sources.pin(lake, features.calendar, how)
    found = find_completeness(sources, window.start - MEMORY)
    return found, waiting(found, window)


def test_a_period_waits_for_the_feed_that_lags(
    lake: Lake, feature_set: FeatureSet, calendar: Calendar
):
    """Activity to day 5, bonuses to day 10, redemptions to day 8; one date two months ahead."""
    log = steady(calendar, range(6), range(11), range(9))
    far = ("u1", calendar.start(70), "open", None, calendar.start(70))
    log.plus(activity=[far]).write(lake)
    found, waits = look(lake, feature_set, range(12))
    assert waits == {
        "activity": list(range(5, 12)),
        "bonuses": [10, 11],
        "redemptions": [8, 9, 10],
    }
    said = told_waiting(found, waits)
    assert "7 for activity (complete until 2025-01-11 as far as its events show)" in said
    assert found.feeds["activity"].strays == 1
    # However little of the past a build looks at: a feed that ended before it stays ended.
    late, late_waits = look(lake, feature_set, range(60, 66))
    assert late_waits["activity"] == list(range(60, 66))
    assert late.feeds["activity"].until == 5
    assert late.feeds["activity"].strays == 1
    # What was sent today is decided on less than nothing of the last days.
    with pytest.raises(DataError, match="activity lags 6 periods behind 2025-01-17") as caught:
        states_at(lake, HOW, feature_set, 11)
    assert "\n" not in str(caught.value)
    with pytest.warns(UserWarning, match="activity lags 1 period behind 2025-01-12"):
        states_at(lake, HOW, feature_set, 6)
    patient = Settings(max_lag=9)
    assert find_states(lake, patient, feature_set, 11).lags == {"activity": 6, "bonuses": 1}
    # A mark says more than the events can, and of the newest only.
    write_marks(lake, {"activity": calendar.start(9), "redemptions": calendar.start(9)})
    report = build(lake, HOW, feature_set, range(12))
    assert report.built == list(range(9))
    assert report.waiting == {
        "activity": [9, 10, 11], "bonuses": [10, 11], "redemptions": [9, 10]
    }  # fmt: skip
    write_marks(lake, {"activity": calendar.start(9) + timedelta(hours=23)})
    assert build(lake, HOW, feature_set, range(9, 11)).built == []
    write_marks(lake, dict.fromkeys(FEEDS, calendar.start(11)))
    assert build(lake, HOW, feature_set, range(12)).built == [9, 10]
    # Taken back: what was final no longer is.
    write_marks(lake, {"activity": calendar.start(4)})
    assert build(lake, HOW, feature_set, range(12)).pending == list(range(4, 12))
    assert lake.read("trajectories").count() == 4 * 10


def test_a_day_that_both_loaders_lost_waits_and_is_named(
    lake: Lake, feature_set: FeatureSet, calendar: Calendar
):
    there = [day for day in range(20) if day != 9]
    log = steady(calendar, there, there, there)
    log.write(lake)
    found, waits = look(lake, feature_set, range(20), Settings(attribution=1))
    assert waits == {
        "activity": [9, 19],
        "bonuses": [9, 19],
        "redemptions": [8, 18, 19],
    }
    holes = described_holes(found, 0, 20)
    assert [(hole["feed"], hole["from"][:10], hole["to"][:10]) for hole in holes] == [
        (name, "2025-01-15", "2025-01-16") for name in FEEDS
    ]
    states = find_states(lake, HOW, feature_set, 19)
    assert len([line for line in states.warnings if "hole in" in line]) == 3
    write_marks(lake, dict.fromkeys(FEEDS, calendar.start(19)))
    report = build(lake, Settings(attribution=1), feature_set, range(20))
    assert 9 in report.built
    assert report.pending == [18, 19]
    silence = lake.read("trajectories").where("period = DATE'2025-01-15'").collect()
    assert {(row["reward"], row["level"]) for row in silence} == {(0.0, 0)}


def test_a_feed_without_any_event_is_waited_for_where_it_is_needed(
    lake: Lake, feature_set: FeatureSet, calendar: Calendar
):
    log = steady(calendar, range(8), range(8), range(0))
    log.write(lake)
    found, waits = look(lake, feature_set, range(8))
    assert waits["redemptions"] == list(range(8))
    assert "--complete-until redemptions=INSTANT" in told_waiting(found, waits)
    # Nothing was sent that could be redeemed.
    nothing = [(*row[:3], 0, 0.0, *row[5:]) for row in log.bonuses]
    Log(log.activity, nothing, [], log.users).write(lake)
    assert look(lake, feature_set, range(8))[1] == {"activity": [7], "bonuses": [7]}


def test_redeemed_money_without_a_row_is_counted(
    lake: Lake, feature_set: FeatureSet, calendar: Calendar, rows_of: RowsOf
):
    log = steady(calendar, range(8), range(8), range(0))

    def redeemed(bonus: str, day: int, amount: float, user: str = "") -> tuple[Any, ...]:
        at = calendar.start(day) + timedelta(hours=5)
        return (bonus, user or bonus.partition("-")[0], at, amount, at)

    # In time, a day late (attribution 1), three days late, of nobody's bonus, of another user.
    redemptions = [
        redeemed("u1-2", 2, 1.0), redeemed("u2-2", 3, 2.0), redeemed("u3-2", 5, 4.0),
        redeemed("u4-none", 3, 8.0), redeemed("u5-3", 3, 16.0, "u6"),
    ]  # fmt: skip
    # Signed up at the very start of day 4: no row then, and so no cost of the bonus of day 4.
    at = calendar.start(4)
    users = [*log.users, ("late", at, "all", at)]
    bonuses = [*log.bonuses, ("late-4", "late", at, 1, 1.0, 0.5, None, at)]
    redemptions.append(redeemed("late-4", 4, 32.0))
    Log(log.activity, bonuses, redemptions, users).write(lake, calendar.start(8))
    report = build(lake, Settings(attribution=1), feature_set, range(8))
    assert (report.unattributed.rows, report.unattributed.amount) == (4, 4.0 + 8.0 + 16.0 + 32.0)
    assert sum(row["cost"] for row in rows_of(lake)) == 3.0
    sources = Sources.pin(lake, calendar, Settings(attribution=3))
    assert find_unattributed(sources, range(8)).amount == 56.0


@pytest.mark.parametrize("arrival", [True, pytest.param(False, marks=pytest.mark.long)])
def test_the_past_as_known_is_the_lake_of_that_time(
    lake: Lake,
    spark: Any,
    tmp_path: Any,
    feature_set: FeatureSet,
    calendar: Calendar,
    rows_of: RowsOf,
    arrival: bool,
):
    """Users are those of events; these arrive up to nine days late, the earliest sometimes last."""
    rng = np.random.default_rng(3)
    drawn = draw(calendar, users=12, length=24, seed=8)
    known_at = calendar.start(17) + timedelta(hours=3)

    def came(row: tuple[Any, ...], at: int) -> tuple[Any, ...]:
        late = rng.random() < 0.4
        return (*row[:-1], row[at] + late * timedelta(days=float(rng.uniform(0, 9))))

    log = Log(
        [came(row, 1) for row in drawn.activity],
        [came(row, 2) for row in drawn.bonuses],
        [came(row, 2) for row in drawn.redemptions],
    )

    def with_users(events: Log) -> Log:
        first: dict[str, tuple[datetime, datetime]] = {}
        for user, at, ingest in [
            *((row[0], row[1], row[-1]) for row in events.activity),
            *((row[1], row[2], row[-1]) for row in events.bonuses),
        ]:
            first[user] = min(first.get(user, (at, ingest)), (at, ingest))
        users = [
            (user, at, "all", ingest if arrival else at) for user, (at, ingest) in first.items()
        ]
        return replace(events, users=users)

    arrived = Log(*([row for row in getattr(log, name) if row[-1] <= known_at] for name in FEEDS))
    assert with_users(arrived).users != with_users(log).users
    other = Lake(spark, LakeSettings(root=str(tmp_path / "then")))
    with_users(log).write(lake)
    with_users(arrived).write(other)
    now = build(lake, HOW, feature_set, range(4, 24), known_at=known_at)
    then = build(other, HOW, feature_set, range(4, 24))
    assert now.built == then.built != []
    assert rows_of(lake, "trajectories", "inputs") == rows_of(other, "trajectories", "inputs")


def test_local_days_of_23_and_25_hours(lake: Lake):
    zoned = periods.Settings(zone="Europe/Berlin", origin=datetime(2025, 3, 27)).calendar()
    features = default_feature_set(AMOUNTS, zoned)
    log = draw(zoned, users=6, length=7, seed=4)
    log.write(lake, zoned.start(7))
    assert zoned.start(4) - zoned.start(3) == timedelta(hours=23)
    build(lake, HOW, features, range(7))
    columns = ("user_id", "period", "step", "state", "level", "reward", "cost", "feature_set")
    found = lake.read("trajectories").select(*columns).orderBy("user_id", "step").collect()
    wanted = by_the_letter(log, HOW, features, 7)
    assert [row.asDict() for row in found] == [
        {name: row[name] for name in columns} for row in wanted
    ]
    assert {row["period"] for row in found} <= {date(2025, 3, day) for day in range(27, 32)} | {
        date(2025, 4, 1), date(2025, 4, 2)
    }  # fmt: skip


OTHER_GRIDS = [
    periods.Settings(origin="2025-01-06T00:00:00+01:00"),
    periods.Settings(length="6h"),
    periods.Settings(zone="Europe/Berlin"),
]


def test_a_lake_keeps_to_one_grid(lake: Lake, rows_of: RowsOf):
    daily = periods.Settings().calendar()
    features = default_feature_set(AMOUNTS, daily)
    steady(daily, range(40), range(40), range(40)).write(lake, daily.start(40))
    build(lake, HOW, features, range(33, 36))
    rows = rows_of(lake)
    for settings in OTHER_GRIDS:
        other = default_feature_set(AMOUNTS, settings.calendar())
        with pytest.raises(UserError, match="are keyed by periods of 24h") as caught:
            build(lake, HOW, other, range(30, 31))
        assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="are keyed by periods of 24h"):
        states_at(lake, HOW, other, 30)
    # Nor does a run clear anything that is refused for another reason.
    mistyped = HOW.model_copy(update={"activity_kinds": ("opne",)})
    with pytest.raises(UserError, match="opne"):
        build(lake, mistyped, other, range(30, 31), new_grid=True)
    assert rows_of(lake) == rows
    # The same grid by another of its periods: nothing to build, and the same numbers in states.
    moved = periods.Settings(origin=datetime(2024, 12, 17, tzinfo=UTC)).calendar()
    report = build(lake, HOW, default_feature_set(AMOUNTS, moved), range(53, 56))
    assert (report.built, len(report.skipped)) == ([], 3)
    assert build(lake, HOW, default_feature_set(AMOUNTS, moved), range(54, 55), force=True).rows
    assert rows_of(lake) == rows


@pytest.mark.long
def test_a_lake_of_an_older_version_keeps_to_its_grid(lake: Lake):
    """It has no note of its grid, but its ledger."""
    daily = periods.Settings().calendar()
    features = default_feature_set(AMOUNTS, daily)
    steady(daily, range(40), range(40), range(40)).write(lake, daily.start(40))
    build(lake, HOW, features, range(33, 36))
    lake.overwrite("grid", lake.read("grid").limit(0))
    with pytest.raises(UserError, match="are keyed by other periods"):
        build(lake, HOW, default_feature_set(AMOUNTS, OTHER_GRIDS[0].calendar()), range(30, 31))
    with pytest.raises(UserError, match="are keyed by other periods"):
        build(lake, HOW, default_feature_set(AMOUNTS, OTHER_GRIDS[1].calendar()), range(120, 121))
    berlin = default_feature_set(AMOUNTS, OTHER_GRIDS[-1].calendar())
    forget_grid(lake)
    assert build(lake, HOW, berlin, range(34, 35)).built == [34]
    with pytest.raises(UserError, match="in Europe/Berlin; the settings say periods of 24h"):
        build(lake, HOW, features, range(30, 31))


def test_marks_are_kept_and_never_go_back_in_silence(lake: Lake, calendar: Calendar):
    day = calendar.start
    assert read_marks(lake) == {}
    write_marks(lake, {"activity": day(3), "bonuses": day(4)})
    version = lake.version("deliveries")
    write_marks(lake, {"activity": day(3)})
    assert lake.version("deliveries") == version
    with pytest.raises(UserError, match="activity=2025-01-08T00:00Z is before the mark"):
        check_marks(lake, {"activity": day(2)})
    check_marks(lake, {"activity": day(2)}, back=True)
    write_marks(lake, {"activity": day(2)})
    assert {name: mark.complete_until for name, mark in read_marks(lake).items()} == {
        "activity": day(2), "bonuses": day(4)
    }  # fmt: skip
    # Nobody knows what is yet to come: such a mark reaches to when it was made. By hand, as a
    # loader of its own would.
    rows = [("redemptions", day(90), day(5), None), ("bonuses", day(3), day(3), None)]
    lake.merge("deliveries", lake.spark.createDataFrame(rows, TABLES["deliveries"].schema))
    held = read_marks(lake)
    assert (held["redemptions"].complete_until, held["bonuses"].complete_until) == (day(5), day(4))
    assert read_marks(lake, known_at=day(4)) == {"bonuses": held["bonuses"]} | {
        "bonuses": replace(held["bonuses"], complete_until=day(3), marked_ts=day(3))
    }
    # Nor is a mark of ours believed beyond now, and the next one takes its place.
    ahead = datetime.now(UTC) + timedelta(hours=20)
    write_marks(lake, {"activity": ahead})
    assert read_marks(lake)["activity"].complete_until < ahead - timedelta(hours=19)
    write_marks(lake, {"activity": day(2)})
    assert read_marks(lake)["activity"].complete_until == day(2)
    clear_marks(lake)
    assert read_marks(lake) == {}


def test_the_mark_of_a_whole_source_speaks_of_its_own_rows(
    lake: Lake, feature_set: FeatureSet, calendar: Calendar
):
    log = steady(calendar, range(8), range(8), range(8))
    log.write(lake)
    write_whole(lake, calendar.start(8))
    assert look(lake, feature_set, range(8))[1] == {}
    # Somebody takes the activity of the last days away.
    log.before(calendar.start(5)).write(lake)
    lake.overwrite("bonuses", lake.spark.createDataFrame(log.bonuses, TABLES["bonuses"].schema))
    found, waits = look(lake, feature_set, range(8))
    assert waits == {"activity": [4, 5, 6, 7], "redemptions": [4, 5, 6, 7]}
    assert any("the mark does not count" in line for line in warned(found, 0, 8))
