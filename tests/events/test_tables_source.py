"""The user's own tables: mistakes in the mapping, increments, bad rows, nothing half written."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bcrlsp.errors import ConfigError, DataError
from bcrlsp.events import Grid, TableCount, ingest, load_events
from bcrlsp.periods import Settings as PeriodSettings

GRID = Grid(PeriodSettings().calendar(), (0.0, 1.0, 2.0))


@pytest.fixture
def visits(tmp_path: Path):
    """A shop's own files; returns (settings of the source, function that adds rows to a file)."""
    columns = {
        "activity": ("who", "seen", "bot"),
        "bonuses": ("bonus_id", "user_id", "sent_ts", "level", "chance"),
        "redemptions": ("bonus_id", "user_id", "redeemed_ts", "amount"),
    }

    def add(name: str, *rows: tuple) -> None:
        with (tmp_path / f"{name}.json").open("a") as file:
            for row in rows:
                file.write(json.dumps(dict(zip(columns[name], row, strict=True))) + "\n")

    settings = {
        name: {"from": str(tmp_path / f"{name}.json"), "format": "json"} for name in columns
    }
    settings["activity"] |= {
        "where": "NOT bot",
        "columns": {
            "user_id": "who",
            "event_ts": "to_timestamp(seen, 'dd.MM.yyyy HH:mm')",
            "kind": "'visit'",
        },
    }
    settings["bonuses"]["columns"] = {"amount": "level * 1.0", "propensity": "chance"}
    add("activity", ("u1", "06.01.2025 10:00", False), ("u9", "06.01.2025 11:00", True))
    add("bonuses", ("b1", "u1", "2025-01-06", 1, 0.5), ("b2", "u2", "2025-01-06", 0, 0.5))
    add("redemptions", ("b1", "u1", "2025-01-06 10:01", 1.0))
    return settings, add


def run(spark, lake, settings: dict):
    return ingest(lake, "tables", load_events("tables", spark, settings, GRID), GRID)


def test_rows_arrive_typed_and_users_are_made_up_from_events(spark, lake, visits) -> None:
    settings, _ = visits
    report = run(spark, lake, settings)
    assert {n: c.written for n, c in report.tables.items()} == {
        "users": 2, "activity": 1, "bonuses": 2, "redemptions": 1,
    }  # fmt: skip
    row = lake.read("activity").selectExpr("*", "unix_micros(event_ts) t").first()
    assert (row.user_id, row.kind, row.amount) == ("u1", "visit", None)
    assert datetime.fromtimestamp(row.t / 1e6, UTC) == datetime(2025, 1, 6, 10, tzinfo=UTC)
    assert row.ingest_ts == row.event_ts
    assert {(r.user_id, r.segment) for r in lake.read("users").collect()} == {
        ("u1", "all"), ("u2", "all"),
    }  # fmt: skip


def test_later_rows_are_added_and_bad_ones_counted_by_reason(spark, lake, visits) -> None:
    settings, add = visits
    run(spark, lake, settings)
    add("activity", ("u1", "07.01.2025 10:00", False), ("u1", "yesterday", False))
    add("bonuses", ("b3", "u1", "2025-01-07", 2, 0.5), ("b1", "u1", "2025-01-06", 2, 0.5))
    add("redemptions", ("b3", "u1", "2025-01-07 10:01", 2.0), ("b2", "u2", "2025-01-06", 1.0))
    report = run(spark, lake, settings)
    activity, bonuses = report.tables["activity"], report.tables["bonuses"]
    assert (activity.written, activity.duplicates) == (1, 1)
    assert activity.quarantined == {"event_ts cannot be computed": 1}
    assert (bonuses.written, bonuses.duplicates) == (1, 2)
    assert bonuses.quarantined == {"bonus_id already used by another event": 1}
    assert report.tables["redemptions"].quarantined == {"bonus of level 0 has nothing to redeem": 1}
    assert report.tables["users"].quarantined == {}
    assert {(r.bonus_id, r.level) for r in lake.read("bonuses").collect()} == {
        ("b1", 1), ("b2", 0), ("b3", 2),
    }  # fmt: skip
    before = {n: lake.read(n).collect() for n in ("activity", "bonuses", "redemptions", "users")}
    held = set(lake.read("quarantine").collect())
    again = run(spark, lake, settings)
    assert all(count.written == 0 for count in again.tables.values())
    assert {n: lake.read(n).collect() for n in before} == before
    assert set(lake.read("quarantine").collect()) == held  # the date of detection included
    assert len(held) == 3


def test_what_goes_to_quarantine_makes_no_user_and_no_early_sign_up(spark, lake, visits) -> None:
    settings, add = visits
    add(
        "activity",
        ("", "06.01.2025 10:00", False),
        ("u1", "01.01.1970 00:00", False),
        ("u7", "01.01.2999 00:00", False),
    )
    report = run(spark, lake, settings)
    assert report.tables["users"] == TableCount(read=2, written=2)
    assert report.tables["activity"].quarantined == {
        "event_ts is after events.latest": 1,
        "event_ts is before events.earliest": 1,
        "user_id is empty": 1,
    }
    assert {(r.user_id, r.signup) for r in lake.read("users").selectExpr(
        "user_id", "CAST(signup_ts AS STRING) AS signup").collect()} == {
        ("u1", "2025-01-06 00:00:00"), ("u2", "2025-01-06 00:00:00"),
    }  # fmt: skip
    assert lake.read("quarantine").count() == 3


@pytest.mark.parametrize(
    ("kind", "first", "second"),
    [
        ("int", "1", "2"),
        ("bigint", "9007199254740993", "9007199254740994"),
        ("string", "5b1f1c5e-8e8b-4f5a-9d0e-0d9f3c1a7b11", "Zoë/42 é"),
    ],
)
def test_user_ids_of_any_type_are_kept_to_the_digit(
    spark, lake, tmp_path: Path, kind: str, first: str, second: str
) -> None:
    settings = {}
    for name, columns in {
        "activity": "timestamp'2025-01-06 10:00' event_ts, 'visit' kind",
        "bonuses": "concat('b', who) bonus_id, timestamp'2025-01-06' sent_ts, 1 level, 1.0 amount",
        "redemptions": "concat('b', who) bonus_id, timestamp'2025-01-06 10:01' redeemed_ts, "
        "1.0 amount",
    }.items():
        place = str(tmp_path / name)
        ids = f"VALUES ('{first}'), ('{second}') AS t(who)"
        spark.sql(f"SELECT CAST(who AS {kind}) user_id, {columns} FROM {ids}").write.parquet(place)
        settings[name] = {"from": place, "format": "parquet"}
    report = run(spark, lake, settings)
    assert all(count.written == count.read == 2 for count in report.tables.values())
    for name in ("users", *settings):
        assert {r.user_id for r in lake.read(name).collect()} == {first, second}, name


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"columns": {"user_id": "who", "kind": "'v'"}},
         r"activity\.columns\.event_ts is missing and .* it has bot, seen, who"),
        ({"columns": {"user_id": "customer"}},
         r"activity\.columns\.user_id = 'customer' does not fit: .*columns are bot, seen, who"),
        ({"columns": {"user_id": "who ++"}}, r"columns\.user_id = 'who \+\+' does not fit"),
        ({"columns": {"when": "seen"}},
         r"activity\.columns names when; allowed: user_id, event_ts, kind, amount, ingest_ts"),
        ({"columns": {"user_id": "max(who)", "event_ts": "seen", "kind": "'v'"}},
         r"activity\.columns = .* does not fit"),
        ({"columns": {"user_id": "user", "event_ts": "seen", "kind": "'v'"}},
         r"user_id = 'user': there is no column user, .*the columns are bot, seen, who"),
        ({"columns": {"user_id": "who", "event_ts": "coalesce(seen, Current_Date)", "kind": "'v'"}},
         r"there is no column current_date, .*the columns are bot, seen, who"),
        ({"columns": {"user_id": "who", "event_ts": "Now()", "kind": "'v'"}},
         r"now\(\) gives other values in each run"),
        ({"columns": {"user_id": "who", "event_ts": "now", "kind": "'v'"}},
         r"event_ts = 'now' does not fit: .*the columns are bot, seen, who"),
        ({"columns": {"user_id": "uuid()", "event_ts": "seen", "kind": "'v'"}},
         r"uuid\(\) gives other values in each run"),
        ({"columns": {"user_id": "who", "event_ts": "length(seen)", "kind": "'v'"}},
         r"event_ts has type int: .*timestamp_seconds\(event_ts\), timestamp_millis"),
        ({"where": "who = user"}, r"activity\.where = 'who = user': there is no column user"),
        ({"where": "robot"}, r"activity\.where = 'robot' does not fit"),
        ({"form": "csv"}, r"activity\.form is unknown"),
    ],
)  # fmt: skip
def test_a_mistaken_mapping_is_one_line(spark, lake, visits, change: dict, line: str) -> None:
    settings, _ = visits
    settings["activity"] = settings["activity"] | change
    with pytest.raises(ConfigError, match=line) as caught:
        run(spark, lake, settings)
    assert "\n" not in str(caught.value)


def test_an_absent_table_is_named(spark, lake, visits) -> None:
    settings, _ = visits
    for place in ("/nowhere/at/all", "no_such_table"):
        settings["bonuses"] = settings["bonuses"] | {"from": place}
        with pytest.raises(DataError, match=rf"bonuses\.from = '{place}' cannot be read"):
            run(spark, lake, settings)
    with pytest.raises(ConfigError, match=r"events\.sources\.tables\.activity is missing"):
        run(spark, lake, {})


def test_nothing_is_written_when_a_table_cannot_work(spark, lake, visits) -> None:
    settings, _ = visits
    events = load_events("tables", spark, settings, GRID)
    with pytest.raises(DataError, match="table redemptions lack the columns amount"):
        ingest(lake, "tables", replace(events, redemptions=events.redemptions.drop("amount")), GRID)
    assert not any(lake.exists(name) for name in ("users", "activity", "bonuses"))
