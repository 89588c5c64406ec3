"""Users over several loads: one row a user, and a dated history of their segments."""

from datetime import UTC, datetime, timedelta

import pytest

from bcrlsp.errors import DataError
from bcrlsp.events import Events, Grid, ingest
from bcrlsp.events.shapes import HISTORY
from bcrlsp.periods import Settings as PeriodSettings
from bcrlsp.tables import Lake

GRID = Grid(PeriodSettings().calendar(), (0.0, 1.0))
NONE = {
    "activity": "user_id string, event_ts string, kind string, amount double, ingest_ts string",
    "bonuses": "bonus_id string, user_id string, sent_ts string, level int, amount double, "
    "propensity double, policy_id string, ingest_ts string",
    "redemptions": "bonus_id string, user_id string, redeemed_ts string, amount double, "
    "ingest_ts string",
    "users": "user_id string, signup_ts string, segment string, ingest_ts string, known_ts string",
}


def load(spark, lake: Lake, grid: Grid = GRID, how: dict | None = None, **rows: list[tuple]):
    """Ingests rows of the tables named; users are given only where they are named."""
    names = {"activity", "bonuses", "redemptions", *rows}
    frames = {name: spark.createDataFrame(rows.get(name, []), NONE[name]) for name in names}
    return ingest(lake, "shop", Events(**frames), grid, **(how or {}))


def history(lake: Lake) -> set[tuple]:
    rows = lake.read(HISTORY).selectExpr("user_id", "segment", "date_format(known_ts, 'MM-dd') d")
    return {tuple(row) for row in rows.collect()}


def users(lake: Lake) -> dict[str, tuple]:
    rows = lake.read("users").selectExpr("user_id", "date_format(signup_ts, 'MM-dd')", "segment")
    return {user: (day, segment) for user, day, segment in rows.collect()}


def test_dated_and_undated_segments(spark, lake: Lake) -> None:
    load(spark, lake, users=[("u", "2025-02-01", "a", None, None),
                             ("v", "2025-02-01", "x", "2025-02-03", None)])  # fmt: skip
    # Neither known_ts nor ingest_ts: from sign-up on; else ingest_ts.
    assert history(lake) == {("u", "a", "02-01"), ("v", "x", "02-03")}
    more = [
        ("u", "2025-02-01", "a", None, None),
        ("v", "2025-02-01", "y", "2025-02-09", "2025-02-05"),
        ("v", "2025-02-04", "z", "2025-02-09", "2025-02-06"),
    ]
    report = load(spark, lake, users=more)
    count = report.tables["users"]
    assert (count.read, count.written, count.duplicates) == (3, 1, 1)
    assert count.quarantined == {"signup_ts contradicts an earlier row of the user": 1}
    assert history(lake) == {("u", "a", "02-01"), ("v", "x", "02-03"), ("v", "y", "02-05")}
    assert users(lake) == {"u": ("02-01", "a"), "v": ("02-01", "y")}
    # A changed segment without any date is known from now on, and once.
    before = datetime.now(UTC)
    for written in (1, 0):
        again = load(spark, lake, users=[("u", "2025-02-01", "b", None, None)])
        assert again.tables["users"].written == written
    (known,) = lake.read(HISTORY).where("segment = 'b'").selectExpr("unix_micros(known_ts)").first()
    when = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=known)
    assert before - timedelta(minutes=5) < when < datetime.now(UTC) + timedelta(minutes=5)
    assert users(lake) == {"u": ("02-01", "b"), "v": ("02-01", "y")}


def visit(user: str, day: str) -> tuple:
    return (user, f"2025-02-{day} 10:00", "visit", None, f"2025-02-{day} 10:00")


def test_history_that_comes_later_makes_sign_ups_earlier(spark, lake: Lake) -> None:
    load(spark, lake, activity=[visit("u", "09"), visit("v", "03")])
    assert users(lake) == {"u": ("02-09", "all"), "v": ("02-03", "all")}
    report = load(spark, lake, activity=[visit("u", "02"), visit("v", "07")])
    assert users(lake) == {"u": ("02-02", "all"), "v": ("02-03", "all")}
    assert report.tables["activity"].written == 2
    # Users that are told of at last keep what is told.
    load(spark, lake, users=[("u", "2025-01-20", "gold", "2025-01-20", None)])
    load(spark, lake, activity=[visit("u", "01"), visit("w", "01")])
    assert users(lake) == {
        "u": ("01-20", "gold"), "v": ("02-03", "all"), "w": ("02-01", "all"),
    }  # fmt: skip


def test_partners_that_come_later_free_what_waits(spark, lake: Lake) -> None:
    told = [("u", "2025-01-20", "a", "2025-01-20", None)]
    redeemed = [
        ("b", "v", "2025-02-02", 1.0, "2025-02-02"),
        ("b", "v", "2025-02-03", 1.0, "2025-02-03"),
    ]
    bonus = [("b", "v", "2025-02-01", 1, 1.0, None, None, "2025-02-01")]
    first = load(spark, lake, users=told, redemptions=redeemed)
    assert first.tables["redemptions"].quarantined == {"bonus_id is unknown": 2}
    second = load(spark, lake, users=told, bonuses=bonus)
    assert second.tables["bonuses"].quarantined == {"user_id is unknown": 1}
    assert lake.read("quarantine").count() == 3
    third = load(spark, lake, users=[("v", "2025-01-20", "a", "2025-01-20", None)])
    assert (third.tables["bonuses"].released, third.tables["redemptions"].released) == (1, 1)
    assert lake.read("bonuses").count() == lake.read("redemptions").count() == 1
    (left,) = lake.read("quarantine").collect()
    assert left.reason == "bonus_id already used by another event"  # two redemptions of one bonus


def test_a_row_that_was_first_takes_the_place_of_a_later_one(spark, lake: Lake) -> None:
    """A bonus of another user under the same id, and the redemption that hung on it."""
    later = [("b", "u", "2025-02-01", 1, 1.0, None, None, "2025-02-05")]
    redeemed = [("b", "u", "2025-02-02", 1.0, "2025-02-05")]
    load(spark, lake, bonuses=later, redemptions=redeemed, activity=[visit("v", "01")])
    assert users(lake).keys() == {"u", "v"}
    earlier = [("b", "v", "2025-02-01", 1, 1.0, None, None, "2025-02-01")]
    report = load(spark, lake, bonuses=earlier)
    assert report.tables["bonuses"].displaced == report.tables["redemptions"].displaced == 1
    assert [row.user_id for row in lake.read("bonuses").collect()] == ["v"]
    assert lake.read("redemptions").count() == 0
    # Nothing of theirs was accepted: there is no such user any more.
    assert users(lake).keys() == {"v"}
    assert {row.reason for row in lake.read("quarantine").collect()} == {
        "bonus_id already used by another event", "bonus was sent to another user",
    }  # fmt: skip


def test_ids_that_lost_their_zeros_are_refused_before_any_table(spark, lake: Lake) -> None:
    rows = {"activity": [visit("00123", "01")],
            "bonuses": [("b", "123", "2025-02-01", 1, 1.0, None, None, "2025-02-01")]}  # fmt: skip
    with pytest.raises(DataError, match=r"1 user ids differ .* '00123' and '123'"):
        load(spark, lake, **rows)
    assert not lake.exists("activity")
    load(spark, lake, activity=rows["activity"])
    with pytest.raises(DataError, match="leading zeros alone"):
        load(spark, lake, bonuses=rows["bonuses"])
    load(spark, lake, how={"leading_zeros": "keep"}, bonuses=rows["bonuses"])
    assert users(lake).keys() == {"00123", "123"}


def test_ids_that_differ_in_case_or_encoding_alone_are_refused_before_any_table(
    spark, lake: Lake
) -> None:
    """PostgreSQL writes UUIDs in small letters, SQL Server in capital ones; macOS splits an é."""
    small = "5b1f1c5e-8e8b-4f5a-9d0e-0d9f3c1a7b11"

    def sent(*ids: str) -> list[tuple]:
        return [(f"b{i}", of, "2025-02-01", 1, 1.0, None, None, "2025-02-01")
                for i, of in enumerate(ids)]  # fmt: skip

    of_both = {"activity": [visit(small, "01"), visit("zo\u00e9", "02"), visit("Z", "01")]}
    bare = small.replace("-", "")
    for ids, pairs, example in (
        ((small.upper(), "Zoe\u0301", "z"), 3, (small.upper(), small)),
        (("{" + small.upper() + "}", "zoe", "y"), 1, (small, "{" + small.upper() + "}")),
        ((bare,), 1, (small, bare)),
    ):
        low, high = example
        with pytest.raises(DataError, match=f"^{pairs} user ids differ .*{low!r} and {high!r}.*"
                           r"events\.letter_case=keep"):  # fmt: skip
            load(spark, lake, **of_both, bonuses=sent(*ids))
    bonus = [("B0", "z", "2025-02-02", 1.0, "2025-02-02")]
    with pytest.raises(DataError, match=r"^1 bonus ids differ .*'B0' and 'b0'"):
        load(spark, lake, bonuses=sent("z"), redemptions=bonus)
    assert not lake.exists("activity")
    # Others differ in more than that: accents, letters of the lake, digits.
    load(spark, lake, **of_both, bonuses=sent("zoe", "y", "a1", "a01"))
    with pytest.raises(DataError, match=r"^1 user ids differ .* 'Z' and 'z'"):
        load(spark, lake, bonuses=sent("z"))
    load(spark, lake, how={"letter_case": "keep"}, bonuses=[
        ("c", "z", "2025-02-01", 1, 1.0, None, None, "2025-02-01")])  # fmt: skip
    assert users(lake).keys() == {small, "zo\u00e9", "Z", "zoe", "y", "a1", "a01", "z"}
