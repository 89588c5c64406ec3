"""Any order and any split of the same events gives the same tables, the quarantine included.

What is right comes from `expected`: the rules on the set of all rows at once, in plain Python.
"""

import json
from collections import defaultdict
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from bcrlsp.events import Events, Grid, ingest
from bcrlsp.periods import Settings as PeriodSettings
from bcrlsp.tables import EVENT_TABLES, TABLES, Lake
from bcrlsp.tables import Settings as LakeSettings

FACES = (0.0, 1.0, 2.0)
GRID = Grid(PeriodSettings().calendar(), FACES)
COLUMNS = {name: TABLES[name].columns for name in EVENT_TABLES}
COLUMNS["users"] = [*COLUMNS["users"], "known_ts"]
KEYS = {name: TABLES[name].keys for name in EVENT_TABLES} | {"users": ("user_id", "known_ts")}


def rows(seed: int, with_users: bool) -> dict[str, list[tuple]]:
    """A few dozen events with everything that ties rows to one another, and copies of some."""
    draw = np.random.default_rng(seed)
    day = lambda low, high: f"2025-02-{draw.integers(low, high):02d} 00:00:00"  # noqa: E731
    users = [f"u{i}" for i in range(4)]
    found = {
        "activity": [
            (str(draw.choice(users)), day(1, 6), "visit", float(draw.integers(2)), day(8, 12))
            for _ in range(14)
        ],
        "bonuses": [
            (f"b{draw.integers(6)}", str(draw.choice(users)), day(1, 6), level,
             FACES[level], None, None, day(8, 12))
            for level in (int(draw.integers(3)) for _ in range(12))
        ],
        "redemptions": [
            (f"b{draw.integers(7)}", str(draw.choice(users[:2])), day(1, 8),
             float(draw.choice([0.5, 1.0, 2.0, 200.0])), day(8, 12))
            for _ in range(14)
        ],
    }  # fmt: skip
    if with_users:
        found["users"] = [
            (str(draw.choice(users[:3])), day(1, 3), str(draw.choice(["n", "s"])), day(8, 12),
             day(1, 5))
            for _ in range(8)
        ]  # fmt: skip
    found["activity"].append(("somebody", "soon", "visit", None, day(8, 12)))
    return {name: [*held, *held[:3]] for name, held in found.items()}


def settle(name: str, good: list[dict], reason_of) -> tuple[list[dict], list[tuple[dict, str]]]:
    """Rows of the table, and the others with their reasons, by the rules of docs/checks/events."""
    first: dict[tuple, dict] = {}
    for row in good:
        content = tuple(row[c] for c in COLUMNS[name] if c != "ingest_ts")
        if content not in first or row["ingest_ts"] < first[content]["ingest_ts"]:
            first[content] = row
    by_key = defaultdict(list)
    bad = []
    for content, row in first.items():
        reason = reason_of(row)
        if reason:
            bad.append((row, reason))
        else:
            by_key[tuple(row[k] for k in KEYS[name])].append((row["ingest_ts"], content, row))
    table = []
    for found in by_key.values():
        ranked = sorted(found, key=lambda each: (each[0], repr(each[1])))
        table.append(ranked[0][2])
        used = f"{' and '.join(KEYS[name])} already used by another event"
        bad += [(row, used) for *_, row in ranked[1:]]
    return table, bad


def expected(events: dict[str, list[tuple]]) -> dict[str, set]:
    """The tables and the quarantine (source, reason, record) of all rows at once."""
    every = {
        name: [dict(zip(COLUMNS[name], row, strict=True)) for row in held]
        for name, held in events.items()
    }
    bad: dict[str, list] = {}
    tables = {}
    if "users" in every:
        first = {}
        for row in every["users"]:
            order = (row["known_ts"], row["ingest_ts"], row["signup_ts"], row["segment"])
            # The earliest ingestion of one content counts.
            first.setdefault(row["user_id"], []).append((order, row["signup_ts"]))
        sign_up = {user: min(found)[1] for user, found in first.items()}
        other = "signup_ts contradicts an earlier row of the user"
        history, bad["users"] = settle(
            "users",
            every["users"],
            lambda row: other if row["signup_ts"] != sign_up[row["user_id"]] else None,
        )
        tables["attributes_segment"] = {
            (r["user_id"], r["known_ts"], r["segment"], r["ingest_ts"], r["signup_ts"])
            for r in history
        }
        users = {}
        for row in sorted(history, key=lambda r: r["known_ts"]):
            users.setdefault(row["user_id"], [row["signup_ts"], None, row["ingest_ts"]])
            users[row["user_id"]][1] = row["segment"]
            users[row["user_id"]][2] = min(users[row["user_id"]][2], row["ingest_ts"])
    for name in ("activity", "bonuses"):
        sound = [row for row in every[name] if row["user_id"] != "somebody"]
        tables[name], bad[name] = settle(
            name,
            sound,
            lambda row: (
                "user_id is unknown" if "users" in every and row["user_id"] not in users else None
            ),
        )
    if "users" not in every:
        seen = defaultdict(list)
        for name, instant in (("activity", "event_ts"), ("bonuses", "sent_ts")):
            for row in tables[name]:
                seen[row["user_id"]].append(row[instant])
        users = {user: [min(found), "all", min(found)] for user, found in seen.items()}
    tables["users"] = {(user, *held) for user, held in users.items()}
    sent = {row["bonus_id"]: row for row in tables["bonuses"]}

    def of_bonus(row: dict) -> str | None:
        bonus = sent.get(row["bonus_id"])
        if bonus is None:
            return "bonus_id is unknown"
        if bonus["user_id"] != row["user_id"]:
            return "bonus was sent to another user"
        if bonus["level"] == 0:
            return "bonus of level 0 has nothing to redeem"
        if row["redeemed_ts"] < bonus["sent_ts"]:
            return "redeemed before the bonus was sent"
        if row["amount"] > bonus["amount"]:
            cents = row["amount"] == 100 * bonus["amount"]
            return "amount is " + (
                "100 times its bonus's face value: cents?"
                if cents
                else "above its bonus's face value"
            )
        return None

    tables["redemptions"], bad["redemptions"] = settle(
        "redemptions", every["redemptions"], of_bonus
    )
    for name in ("activity", "bonuses", "redemptions"):
        tables[name] = {tuple(row[c] for c in COLUMNS[name]) for row in tables[name]}
    # Records by their columns' values, instants as text.
    tables["quarantine"] = {
        (f"shop.{name}", reason, tuple(row[c] for c in COLUMNS[name]))
        for name, found in bad.items()
        for row, reason in found
    }
    return tables


def load(spark, lake: Lake, events: dict[str, list[tuple]]):
    frames = {}
    for name, held in events.items():
        kinds = {"level": "int", "amount": "double", "propensity": "double"}
        schema = ", ".join(f"{c} {kinds.get(c, 'string')}" for c in COLUMNS[name])
        frames[name] = spark.createDataFrame(held, schema)
    return ingest(lake, "shop", Events(**frames), GRID)


def held(lake: Lake, names) -> dict[str, set]:
    found = {}
    for name in names:
        table = lake.read(name)
        texts = [
            f"date_format({c}, 'yyyy-MM-dd HH:mm:ss') AS {c}" if kind == "timestamp" else c
            for c, kind in table.dtypes
        ]
        found[name] = {tuple(row) for row in table.selectExpr(*texts).collect()}
    rows = lake.read("quarantine").where("reason NOT LIKE '%is no timestamp'").collect()
    found["quarantine"] = set()
    for row in rows:
        record = json.loads(row.record)
        values = tuple(
            datetime.fromisoformat(v).strftime("%Y-%m-%d %H:%M:%S")
            if c.endswith("_ts") and v is not None
            else v
            for c, v in record.items()
        )
        found["quarantine"].add((row.source, row.reason, values))
    assert len(found["quarantine"]) == len(rows)
    return found


@pytest.mark.parametrize(
    ("seed", "with_users", "parts"),
    [(1, False, 2), pytest.param(2, True, 3, marks=pytest.mark.long)],
)
def test_any_split_and_order_gives_the_same_tables(
    spark, tmp_path: Path, seed: int, with_users: bool, parts: int
) -> None:
    events = rows(seed, with_users)
    right = expected(events)
    assert all(right.values())
    draw = np.random.default_rng(seed)
    lake = Lake(spark, LakeSettings(root=str(tmp_path / "lake")))
    places = {name: draw.integers(parts, size=len(found)) for name, found in events.items()}
    for part in draw.permutation(parts):
        load(
            spark,
            lake,
            {
                name: [found[i] for i in np.flatnonzero(places[name] == part)]
                for name, found in events.items()
            },
        )
    assert held(lake, right.keys() - {"quarantine"}) == right
