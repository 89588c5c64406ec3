"""`bcrlsp control` on the small market: decided once, within budgets, as the tables say."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import END, Bench
from pyspark.sql import SparkSession

from bcrlsp.control.stream.tables import Tables
from bcrlsp.periods import Settings as Period
from bcrlsp.tables import TABLES, Lake
from bcrlsp.tables import Settings as LakeSettings

START = datetime.fromisoformat(END).replace(tzinfo=UTC)
QUICK = ("--set", "control.port=null", "--set", "control.life=7200", "--set", "control.grace=600")


@pytest.fixture
def bench(copied: Path, capsys: pytest.CaptureFixture[str]) -> Bench:
    return Bench(copied, lambda: capsys.readouterr().out)


@pytest.fixture(scope="module")
def shop(copied: Path, spark: SparkSession) -> Lake:
    lake = Lake(spark, LakeSettings(root=str(copied / "lake")))
    Tables(lake, Period().calendar(), "", 0.01).create()
    return lake


def add(lake: Lake, name: str, rows: list[dict[str, Any]]) -> None:
    schema = TABLES[name].schema
    held = [tuple(row.get(column) for column in schema.names) for row in rows]
    lake.spark.createDataFrame(held, schema).write.format("delta").mode("append").save(
        lake.location(name)
    )


def asked(lake: Lake, first: int, count: int, at: timedelta) -> list[str]:
    """Requests of known users, a second apart, the last one twice, one of a stranger."""
    users = [row["user_id"] for row in lake.read("users").orderBy("user_id").limit(400).collect()]
    rows = [
        {
            "request_id": f"r{number}",
            "user_id": users[number % len(users)],
            "request_ts": START + at + timedelta(seconds=number - first),
        }
        for number in range(first, first + count)
    ]
    rows.append(rows[-1])
    rows.append(rows[0] | {"request_id": f"stranger{first}", "user_id": "nobody"})
    add(lake, "requests", rows)
    return [row["request_id"] for row in rows]


def sums(lake: Lake) -> tuple[dict[str, int], dict[str, int]]:
    """Charges of the decisions, and of the ledger's reserve rows, by budget: units."""
    found = []
    for name, where in (("decisions", "level > 0"), ("control_ledger", "kind = 'reserve'")):
        total: dict[str, int] = {}
        for row in lake.read(name).where(where).collect():
            for budget, units in row["charges"].items():
                total[budget] = total.get(budget, 0) + units
        found.append(total)
    return found[0], found[1]


def test_a_day_is_decided_once_within_budgets_that_change(bench: Bench, shop: Lake) -> None:
    segment = shop.read("users").first()["segment"]
    add(
        shop,
        "control_budgets",
        [
            {"name": "total", "from_ts": START, "amount": 60.0},
            {"name": "one", "from_ts": START, "amount": 20.0, "segments": f'["{segment}"]'},
        ],
    )
    first = asked(shop, 0, 200, timedelta(hours=8))
    told = bench.run("control", "--period", END, "--drain", *QUICK)
    decisions = {row["request_id"]: row for row in shop.read("decisions").collect()}
    assert set(decisions) == set(first)
    assert (told["decided"], told["duplicates"]) == (201, 1)
    assert decisions["stranger0"]["reason"] == "unknown user"
    sent = [row for row in decisions.values() if row["level"]]
    assert sent
    assert sum(row["amount"] for row in sent) <= 60
    assert sum(row["amount"] for row in sent if row["segment"] == segment) <= 20
    assert all(row["propensity"] == 1 for row in sent)

    # Half of the bonuses come back, twice; the budget is cut; the day goes on.
    back = [
        {"bonus_id": row["request_id"], "user_id": row["user_id"], "amount": row["amount"] / 2,
         "redeemed_ts": START + timedelta(hours=9), "ingest_ts": START + timedelta(hours=9)}
        for row in sent[::2]
    ]  # fmt: skip
    for _ in range(2):
        add(shop, "redemptions", back)
    cut = sum(row["amount"] for row in sent) - sum(row["amount"] for row in back) + 1.0
    add(shop, "control_budgets", [
        {"name": "total", "from_ts": START + timedelta(hours=9), "amount": cut}
    ])  # fmt: skip
    asked(shop, 1000, 100, timedelta(hours=9, minutes=5))
    # The same requests again, late: they were decided.
    add(shop, "requests", [
        {"request_id": "r5", "user_id": "x", "request_ts": START + timedelta(hours=9)}
    ])  # fmt: skip
    told = bench.run("control", "--period", END, "--drain", *QUICK)
    assert told["decided"] == 101
    assert told["duplicates"] == 2
    used = told["budgets"][f"{END}T00:00 total"]
    assert used["redeemed"] == pytest.approx(sum(row["amount"] for row in back))
    assert used["redeemed"] + used["out"] <= cut + 1e-9
    decided, kept = sums(shop)
    assert decided == kept
    assert shop.read("decisions").count() == 302
    assert shop.read("control_ledger").where("kind = 'redeem'").count() == len(back)
    status = shop.read("control_status").orderBy("status_ts").collect()
    assert status[-1]["limits"]["total"] == pytest.approx(cut)

    # Three hours later what is left has expired, and its money is there again: a redemption shows
    # that the feed has come so far.
    add(shop, "redemptions", [back[0] | {
        "bonus_id": sent[1]["request_id"], "user_id": sent[1]["user_id"],
        "amount": sent[1]["amount"] / 2, "redeemed_ts": START + timedelta(hours=12, minutes=29),
        "ingest_ts": START + timedelta(hours=12, minutes=29),
    }])  # fmt: skip
    asked(shop, 2000, 50, timedelta(hours=12, minutes=30))
    told = bench.run("control", "--period", END, "--drain", *QUICK)
    released = shop.read("control_ledger").where("kind = 'release'").count()
    assert released > 0
    assert told["budgets"][f"{END}T00:00 total"]["out"] > 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--period", "2025-01-23"), "2025-01-23"),
        (("--period", END, "--policy", "none"), "no policy 'none'"),
    ],
)
def test_mistakes_are_one_line(copied, shop: Lake, capfd, arguments, said) -> None:
    code, _ = Bench(copied, lambda: "").end("control", *arguments, "--drain", *QUICK)
    lines = [line for line in capfd.readouterr().err.splitlines() if line.startswith("bcrlsp: ")]
    assert code == 2
    assert len(lines) == 1
    assert said in lines[0]
