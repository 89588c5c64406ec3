"""Every rule catches its row, good rows pass, and the order of the rows does not matter."""

import json
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from pyspark.sql import functions as F

from bcrlsp.errors import DataError
from bcrlsp.events import Grid
from bcrlsp.events.validate import DUPLICATE, GOOD, VERDICT, judge, quarantined, tally
from bcrlsp.periods import Settings as PeriodSettings

GRID = Grid(PeriodSettings().calendar(), (0.0, 1.0, 2.0), latest=datetime(2025, 6, 1, tzinfo=UTC))
DAY = "2025-02-0"

BONUS = "bonus_id string, user_id string, sent_ts string, level string, amount string, "
BONUS += "propensity string, policy_id string, ingest_ts string"
BONUSES = [
    # (bonus_id, user_id, sent_ts, level, amount, propensity, policy_id, ingest_ts), verdict
    (("a", "u1", DAY + "1", "1", "1.0", "0.5", None, DAY + "1"), GOOD),
    (("b", "u1", DAY + "1", "0", "0", None, "p", DAY + "1"), GOOD),
    (("c", "u9", DAY + "1", "1", "1", "0.5", None, DAY + "1"), "user_id is unknown"),
    (("d", "u1", "soon", "1", "1", "0.5", None, DAY + "1"), "sent_ts is no timestamp"),
    (("e", "u1", DAY + "1", "one", "1", "0.5", None, DAY + "1"), "level is no int"),
    (("f", "u1", DAY + "1", "1.5", "1", "0.5", None, DAY + "1"), "level is no int"),
    (("g", "u1", DAY + "1", "3", "1", "0.5", None, DAY + "1"), "level is outside 0 to 2"),
    (("h", "u1", DAY + "1", "-1", "1", "0.5", None, DAY + "1"), "level is outside 0 to 2"),
    (("i", "u1", DAY + "1", "1", "-1", "0.5", None, DAY + "1"), "amount is below 0"),
    (("j", "u1", DAY + "1", "1", "NaN", "0.5", None, DAY + "1"), "amount is no double"),
    (("k", "u1", DAY + "1", "1", "Infinity", "0.5", None, DAY + "1"), "amount is no double"),
    (("l", "u1", DAY + "1", "1", None, "0.5", None, DAY + "1"), "amount is missing"),
    (("m", "u1", DAY + "1", "1", "1", "0", None, DAY + "1"), "propensity is outside (0, 1]"),
    (("n", "u1", DAY + "1", "1", "1", "1.01", None, DAY + "1"), "propensity is outside (0, 1]"),
    (("o", "u1", DAY + "1", "0", "2", "0.5", None, DAY + "1"),
     "level 0 sends nothing, but amount is not 0"),
    (("s", "u1", DAY + "1", "2", "1", "0.5", None, DAY + "1"),
     "amount is not the face value of the level"),
    (("t", "u1", DAY + "1", "2", "2.0000000001", "0.5", None, DAY + "1"), GOOD),
    (("u", "u1", "1970-01-01", "1", "1", "0.5", None, DAY + "1"),
     "sent_ts is before events.earliest"),
    (("v", "u1", "2025-06-01", "1", "1", "0.5", None, DAY + "1"), "sent_ts is after events.latest"),
    (("w", "u1", "2025-05-31", "1", "1", "0.5", None, DAY + "1"), GOOD),
    (("x", "u1", "2022-01-08", "1", "1", "0.5", None, DAY + "1"), GOOD),
    (("y", "u1", "2022-01-06", "1", "1", "0.5", None, DAY + "1"),
     "sent_ts is before events.earliest"),
    (("p", " ", DAY + "1", "1", "1", "0.5", None, DAY + "1"), "user_id is empty"),
    ((None, "u1", DAY + "1", "1", "1", "0.5", None, DAY + "1"), "bonus_id is missing"),
    # The same twice: the earliest known stays. Then one that contradicts it.
    (("q", "u1", DAY + "1", "1", "1", "0.5", None, DAY + "2"), DUPLICATE),
    (("q", "u1", DAY + "1", "1", "1", "0.5", None, DAY + "1"), GOOD),
    (("q", "u1", DAY + "1", "2", "2", "0.5", None, DAY + "3"),
     "bonus_id already used by another event"),
    # A bad row never takes the place of a good one.
    (("r", "u1", DAY + "1", "7", "1", "0.5", None, DAY + "1"), "level is outside 0 to 2"),
    (("r", "u1", DAY + "1", "1", "1", "0.5", None, DAY + "2"), GOOD),
]  # fmt: skip


def users(spark):
    return spark.createDataFrame([("u1",), ("u2",)], "user_id string")


@pytest.mark.parametrize("partitions", [1, 3])
def test_each_rule_of_bonuses_catches_its_row(spark, partitions: int) -> None:
    order = np.random.default_rng(partitions).permutation(len(BONUSES))
    rows = spark.createDataFrame([BONUSES[i][0] for i in order], BONUS).repartition(partitions)
    judged = judge("bonuses", rows, GRID, users=users(spark))
    found = {}
    for row in judged.collect():
        record = json.loads(row["_record"])
        found[tuple(record.values())] = row[VERDICT]
    assert found == dict(BONUSES)
    assert sum(tally(judged).values()) == len(BONUSES)


REDEMPTIONS = [
    (("a", "u1", DAY + "3", 1.0, DAY + "3"), GOOD),
    (("z", "u1", DAY + "3", 1.0, DAY + "3"), "bonus_id is unknown"),
    (("b", "u2", DAY + "3", 1.0, DAY + "3"), "bonus was sent to another user"),
    (("c", "u1", DAY + "3", 1.0, DAY + "3"), "bonus of level 0 has nothing to redeem"),
    (("d", "u1", DAY + "1", 1.0, DAY + "3"), "redeemed before the bonus was sent"),
    (("e", "u1", DAY + "3", -1.0, DAY + "3"), "amount is below 0"),
]


def test_each_rule_of_redemptions_catches_its_row(spark) -> None:
    rows = spark.createDataFrame(
        [record for record, _ in REDEMPTIONS],
        "bonus_id string, user_id string, redeemed_ts string, amount double, ingest_ts string",
    )
    sent = spark.createDataFrame(
        [(b, "u1", DAY + "2", level) for b, level in zip("abcde", (1, 1, 0, 1, 1), strict=True)],
        "bonus_id string, user_id string, sent_ts string, level int",
    ).withColumn("sent_ts", F.col("sent_ts").cast("timestamp"))
    judged = judge("redemptions", rows, GRID, bonuses=sent)
    assert {r.bonus_id: r[VERDICT] for r in judged.collect()} == {
        record[0]: verdict for record, verdict in REDEMPTIONS
    }


def test_a_sign_up_may_be_old_but_no_unset_date_and_not_ahead(spark) -> None:
    verdicts = {
        "1998-03-01": GOOD,
        "1970-01-01": "signup_ts is no date of a sign-up",
        "0001-01-01": "signup_ts is no date of a sign-up",
        "2025-06-01": "signup_ts is after events.latest",
    }
    rows = spark.createDataFrame(
        [(f"u{day}", day, "all", DAY + "1") for day in verdicts],
        "user_id string, signup_ts string, segment string, ingest_ts string",
    )
    judged = judge("users", rows, GRID).select("user_id", VERDICT).collect()
    assert {r.user_id.removeprefix("u"): r[VERDICT] for r in judged} == verdicts


def test_nothing_can_have_happened_beyond_tomorrow() -> None:
    earliest, latest = Grid(GRID.calendar, GRID.amounts).span
    now = datetime.now(UTC)
    assert now + timedelta(hours=23) < latest < now + timedelta(hours=25)
    assert earliest == GRID.calendar.origin - timedelta(days=3 * 365)


def test_known_rows_win_and_derived_ones_never_contradict(spark) -> None:
    schema = "user_id string, signup_ts timestamp, segment string, ingest_ts timestamp"

    def people(segment: str, day: str):
        return spark.sql(
            f"SELECT 'u1' user_id, timestamp'{day}' signup_ts, '{segment}' segment, "
            f"timestamp'{day}' ingest_ts"
        )

    known = people("north", DAY + "5")
    assert known.schema.simpleString().count("timestamp") == schema.count("timestamp")
    assert tally(judge("users", people("north", DAY + "5"), GRID, known=known)) == {DUPLICATE: 1}
    assert tally(judge("users", people("south", DAY + "1"), GRID, known=known)) == {
        "user_id already used by another event": 1
    }
    assert tally(judge("users", people("south", DAY + "1"), GRID, known=known, derived=True)) == {
        DUPLICATE: 1
    }


def test_quarantine_holds_the_record_as_it_came_once(spark) -> None:
    bad = ("g", "u1", DAY + "1", "3", "1", "0.5", None, DAY + "1")
    undated = ("d", "u1", "soon", "1", "1", "0.5", None, DAY + "1")
    rows = spark.createDataFrame([bad, bad, undated], BONUS)
    held = quarantined("bonuses", judge("bonuses", rows, GRID), GRID, "mine").collect()
    assert {(r.source, r.period, r.reason) for r in held} == {
        ("mine.bonuses", date(2025, 2, 1), "level is outside 0 to 2"),
        ("mine.bonuses", None, "sent_ts is no timestamp"),
    }
    assert len(held) == 2
    record = json.loads(next(r.record for r in held if r.period))
    assert record["level"] == "3"
    assert record["policy_id"] is None


def test_columns_that_can_never_fit_are_refused_before_any_work(spark) -> None:
    with pytest.raises(
        DataError, match=r"table users lack the columns signup_ts, .*they have user"
    ):
        judge("users", users(spark), GRID)
    nested = spark.sql("SELECT array('u') user_id, 1 signup_ts, 's' segment, 1 ingest_ts")
    with pytest.raises(DataError, match="column user_id for table users has type array<string>"):
        judge("users", nested, GRID)
