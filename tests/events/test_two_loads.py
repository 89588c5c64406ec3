"""Two loads at once without a mapping for users: the tables are as if one followed the other."""

from typing import Any

import pytest

from bcrlsp.events import Events, Grid, ingest
from bcrlsp.periods import Settings as PeriodSettings
from bcrlsp.tables import TABLES, Lake

GRID = Grid(PeriodSettings().calendar(), (0.0, 1.0))
KINDS = {"level": "int", "amount": "double", "propensity": "double"}


def visit(user: str, day: str) -> tuple:
    return (user, f"2025-01-{day} 09:00", "visit", None, f"2025-01-{day} 09:00")


def bonus(user: str, day: str, known: str, number: str = "b1") -> tuple:
    return (number, user, f"2025-01-{day}", 1, 1.0, None, None, f"2025-01-{known}")


# The newest day, and the history. Both know a bonus b1; the history's was ingested first.
NEWEST = {
    "activity": [visit("u", "14"), visit("w", "14")],
    "bonuses": [bonus("u", "14", "15"), bonus("w", "13", "13", "b2")],
    "redemptions": [("b1", "u", "2025-01-15", 1.0, "2025-01-15")],
}
HISTORY = {
    "activity": [visit("u", "08"), visit("v", "09"), visit("w", "14")],
    "bonuses": [bonus("v", "07", "07")],
    "redemptions": [],
}
FIRST = {"u": "01-08", "v": "01-07", "w": "01-13"}


def load(lake: Lake, rows: dict[str, list[tuple]]) -> Any:
    def schema(name: str) -> str:
        return ", ".join(f"{c} {KINDS.get(c, 'string')}" for c in TABLES[name].columns)

    frames = {n: lake.spark.createDataFrame(held, schema(n)) for n, held in rows.items()}
    return ingest(lake, "shop", Events(**frames), GRID)


def users(lake: Lake) -> dict[str, str]:
    rows = lake.read("users").selectExpr("user_id", "date_format(signup_ts, 'MM-dd') AS day")
    return {row["user_id"]: row["day"] for row in rows.collect()}


@pytest.mark.parametrize(
    "before", ["users", "bonuses", pytest.param("activity", marks=pytest.mark.long)]
)
def test_the_other_load_runs_whole_before_a_write_of_this_one(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, before: str
) -> None:
    honest, begun = Lake.merge, []

    def overtaken(own: Lake, name: str, *args: Any, **how: Any) -> int:
        if name == before and not begun:
            begun.append(name)
            load(lake, HISTORY)
        return honest(own, name, *args, **how)

    with monkeypatch.context() as patch:
        patch.setattr(Lake, "merge", overtaken)
        report = load(lake, NEWEST)
    assert begun == [before]
    for name, count in report.tables.items():
        assert count.read == count.written + count.duplicates + sum(count.quarantined.values()), (
            name
        )
    assert users(lake) == FIRST
    assert {tuple(r) for r in lake.read("bonuses").select("bonus_id", "user_id").collect()} == {
        ("b1", "v"), ("b2", "w"),
    }  # fmt: skip
    assert lake.read("activity").count() == 4
    assert lake.read("redemptions").count() == 0
    assert {(r.source, r.reason) for r in lake.read("quarantine").collect()} == {
        ("shop.bonuses", "bonus_id already used by another event"),
        ("shop.redemptions", "bonus was sent to another user"),
    }  # fmt: skip
    if before == "users":
        # What an older version left: sign-ups at the newer load's events. That load mends them.
        late = "CAST(signup_ts + INTERVAL 6 DAYS AS TIMESTAMP)"
        wrong = lake.read("users").where("user_id <> 'v'").collect()
        frame = lake.spark.createDataFrame(wrong, TABLES["users"].schema)
        lake.merge(
            "users",
            frame.selectExpr("user_id", f"{late} signup_ts", "segment", f"{late} ingest_ts"),
        )
        assert users(lake) == {"u": "01-14", "v": "01-07", "w": "01-19"}
        load(lake, NEWEST)
        assert users(lake) == FIRST
