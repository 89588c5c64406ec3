"""Delivery marks on the command line: what they make final, and what is no mark."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from bcrlsp.commands.ingest import parse_marks
from bcrlsp.errors import UserError
from bcrlsp.events import Grid
from bcrlsp.periods import Settings
from tests.commands.conftest import Bench

FEEDS = ("activity", "bonuses", "redemptions")
START = datetime(2025, 1, 6, tzinfo=UTC)
LATEST = datetime(2025, 6, 1, tzinfo=UTC)


def grid(**period: str) -> Grid:
    return Grid(Settings(**period).calendar(), (0.0, 1.0), latest=LATEST)


def test_a_mark_is_for_all_feeds_or_one():
    day = datetime(2025, 1, 11, tzinfo=UTC)
    assert parse_marks((), grid()) == {}
    assert parse_marks(("2025-01-11",), grid()) == dict.fromkeys(FEEDS, day)
    hour = parse_marks(("redemptions=2025-01-11T06:00+02:00", "2025-01-11"), grid())
    assert hour == dict.fromkeys(FEEDS, day) | {"redemptions": day + timedelta(hours=4)}
    local = parse_marks(("activity=2025-01-11",), grid(zone="Europe/Berlin"))
    assert local == {"activity": day - timedelta(hours=1)}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("soon", "allowed: an ISO date or instant"),
        ("", "allowed: an ISO date or instant"),
        ("activity=", "allowed: an ISO date or instant"),
        ("users=2025-01-11", "'users' is no feed; allowed: activity, bonuses, redemptions"),
        ("=2025-01-11", "'' is no feed"),
        ("2025-06-02", "has not come yet; allowed: up to 2025-06-01T00:00Z"),
    ],
)
def test_what_is_no_mark_gets_its_line(text: str, line: str):
    with pytest.raises(UserError) as caught:
        parse_marks((text,), grid())
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten users, every day: activity for five days, bonuses of level 1 for ten, none redeemed."""
    folder = tmp_path_factory.mktemp("own")
    users = [f"u{number}" for number in range(10)]
    activity = [
        {"user_id": user, "event_ts": START + timedelta(days=day, hours=8), "kind": "open"}
        for user in users
        for day in range(5)
    ]
    bonuses = [
        {"bonus_id": f"{user}-{day}", "user_id": user, "sent_ts": START + timedelta(days=day),
         "level": 1, "amount": 1.0}
        for user in users
        for day in range(10)
    ]  # fmt: skip
    early = START - timedelta(days=1)
    people = [{"user_id": user, "signup_ts": early, "segment": "all"} for user in users]
    used = [{"bonus_id": "u0-0", "user_id": "u0", "redeemed_ts": START + timedelta(days=2),
             "amount": 1.0}]  # fmt: skip
    tables = {"activity": activity, "bonuses": bonuses, "redemptions": used, "users": people}
    mapping = {}
    for name, rows in tables.items():
        pq.write_table(pa.Table.from_pylist(rows), folder / f"{name}.parquet")
        mapping[name] = {"from": f"{folder}/{name}.parquet", "format": "parquet"}
    settings = {
        "lake": {"root": f"{folder}/lake"},
        "artifacts": f"{folder}/artifacts",
        "amounts": [0.0, 1.0],
        "events": {"sources": {"tables": mapping}},
    }
    (folder / "own.yaml").write_text(json.dumps(settings))
    return folder / "own.yaml"


@pytest.mark.long
def test_marks_make_periods_final(
    spark: SparkSession, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = Bench(tmp_path, lambda: capsys.readouterr().out)
    bench.config = config
    window = ("--from", "2025-01-06", "--to", "2025-01-16")
    assert bench.run("ingest", "tables")["complete_until"] == {}
    built = bench.run("trajectories", *window)
    assert built["waiting"] == {"activity": 6, "bonuses": 1, "redemptions": 8}
    assert [start[:10] for start in built["built"]] == ["2025-01-06", "2025-01-07"]
    assert built["watermarks"] == {
        "activity": "2025-01-10T00:00:00+00:00",
        "bonuses": "2025-01-15T00:00:00+00:00",
        "redemptions": "2025-01-08T00:00:00+00:00",
    }
    # Two days late: trajectories.attribution is 0.
    assert built["unattributed"] == {"rows": 1, "amount": 1.0}
    marked = bench.run("ingest", "tables", "--complete-until", "2025-01-14")
    assert set(marked["complete_until"]) == set(FEEDS)
    again = bench.run("trajectories", *window)
    assert (len(again["built"]), len(again["pending"])) == (6, 2)
    before = bench.run("ingest", "tables", "--complete-until", "redemptions=2025-01-15")
    code, _ = bench.end("ingest", "tables", "--complete-until", "2025-01-13")
    assert code == 2
    code, out = bench.end("trajectories", *window)
    assert "2 periods wait: 2 for activity (complete until 2025-01-14), 2 for bonuses" in out
    assert "redemptions that are in no row's cost: 1, worth 1.00" in out
    back = ("--complete-until", "2025-01-13", "--marks-back")
    assert bench.run("ingest", "tables", *back)["complete_until"] != before["complete_until"]
    assert len(bench.run("trajectories", *window)["pending"]) == 3
