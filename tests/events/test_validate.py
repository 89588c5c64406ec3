"""Each rule catches its row: what rows say by themselves, with counts by reason."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from pyspark.sql import functions as F

from bcrlsp.errors import DataError
from bcrlsp.events import Grid
from bcrlsp.events.settle import as_quarantine, of_bonuses, of_users
from bcrlsp.events.shapes import DATED, MENDED, VERDICT
from bcrlsp.events.validate import alike, judge, tally
from bcrlsp.periods import Settings as PeriodSettings

GRID = Grid(PeriodSettings().calendar(), (0.0, 1.0, 2.0), latest=datetime(2025, 6, 1, tzinfo=UTC))
DAY = "2025-02-0"
NOBODY = "user_id is a text for nobody, such as null or N/A"
NUMBER = "user_id went through a number and may have lost digits"
LOST = "{} has letters that were lost: its file has another encoding (options.encoding)"

BONUS = "bonus_id string, user_id string, sent_ts string, level string, amount string, "
BONUS += "propensity string, policy_id string, ingest_ts string"
BONUSES = [
    # (bonus_id, user_id, sent_ts, level, amount, propensity, policy_id, ingest_ts), verdict
    (("a", "u1", DAY + "1", "1", "1.0", "0.5", None, DAY + "1"), None),
    (("b", "u1", DAY + "1", "0", "0", None, "p", DAY + "1"), None),
    (("d", "u1", "soon", "1", "1", "0.5", None, DAY + "1"), "sent_ts is no timestamp"),
    (("e", "u1", DAY + "1", "one", "1", "0.5", None, DAY + "1"), "level is no int"),
    (("f", "u1", DAY + "1", "1.5", "1", "0.5", None, DAY + "1"), "level is no int"),
    (("f1", "u1", DAY + "1", "1.0", "1", "0.5", None, DAY + "1"), None),
    (("f2", "u1", DAY + "1", " 1 ", "1", "0.5", None, DAY + "1"), None),
    (("f3", "u1", DAY + "1", "true", "1", "0.5", None, DAY + "1"), "level is no int"),
    (("f4", "u1", DAY + "1", "4294967297", "1", "0.5", None, DAY + "1"), "level is no int"),
    (("g", "u1", DAY + "1", "3", "1", "0.5", None, DAY + "1"), "level is outside 0 to 2"),
    (("h", "u1", DAY + "1", "-1", "1", "0.5", None, DAY + "1"), "level is outside 0 to 2"),
    (("i", "u1", DAY + "1", "1", "-1", "0.5", None, DAY + "1"), "amount is below 0"),
    (("i1", "u1", DAY + "1", "0", "-0.0", "0.5", None, DAY + "1"), None),
    (("j", "u1", DAY + "1", "1", "NaN", "0.5", None, DAY + "1"), "amount is no double"),
    (("k", "u1", DAY + "1", "1", "Infinity", "0.5", None, DAY + "1"), "amount is no double"),
    (("k1", "u1", DAY + "1", "1", "1,00", "0.5", None, DAY + "1"), "amount is no double"),
    (("k2", "u1", DAY + "1", "1", "1d", "0.5", None, DAY + "1"), "amount is no double"),
    (("l", "u1", DAY + "1", "1", None, "0.5", None, DAY + "1"), "amount is missing"),
    (("m", "u1", DAY + "1", "1", "1", "0", None, DAY + "1"), "propensity is outside (0, 1]"),
    (("n", "u1", DAY + "1", "1", "1", "1.01", None, DAY + "1"), "propensity is outside (0, 1]"),
    (("n1", "u1", DAY + "1", "1", "1", "50", None, DAY + "1"), "propensity is outside (0, 1]"),
    (("n2", "u1", DAY + "1", "1", "1", "50%", None, DAY + "1"), "propensity is no double"),
    (("o", "u1", DAY + "1", "0", "2", "0.5", None, DAY + "1"),
     "level 0 sends nothing, but amount is not 0"),
    (("s", "u1", DAY + "1", "2", "1", "0.5", None, DAY + "1"),
     "amount is not the face value of the level"),
    (("s1", "u1", DAY + "1", "2", "200", "0.5", None, DAY + "1"),
     "amount is 100 times the face value of the level: cents?"),
    (("t", "u1", DAY + "1", "2", "2.0000000001", "0.5", None, DAY + "1"), None),
    (("u", "u1", "1970-01-01", "1", "1", "0.5", None, DAY + "1"),
     "sent_ts is before events.earliest"),
    (("v", "u1", "2025-06-01", "1", "1", "0.5", None, DAY + "1"), "sent_ts is after events.latest"),
    (("w", "u1", "2025-05-31", "1", "1", "0.5", None, DAY + "1"), None),
    (("x", "u1", "2022-01-08", "1", "1", "0.5", None, DAY + "1"), None),
    (("y", "u1", "2022-01-06", "1", "1", "0.5", None, DAY + "1"),
     "sent_ts is before events.earliest"),
    (("z", "u1", DAY + "1", "1", "1", "0.5", None, "1970-01-01"),
     "ingest_ts is no date of knowledge"),
    (("p", " ", DAY + "1", "1", "1", "0.5", None, DAY + "1"), "user_id is empty"),
    ((None, "u1", DAY + "1", "1", "1", "0.5", None, DAY + "1"), "bonus_id is missing"),
    # Times that a cast would complete, and numbers without a unit.
    (("t1", "u1", "10:30:00", "1", "1", None, None, DAY + "1"), "sent_ts is a time without a date"),
    (("t2", "u1", "T10:30", "1", "1", None, None, DAY + "1"), "sent_ts is a time without a date"),
    (("t3", "u1", "2025", "1", "1", None, None, DAY + "1"), "sent_ts is part of a date"),
    (("t4", "u1", "2025-02", "1", "1", None, None, DAY + "1"), "sent_ts is part of a date"),
    (("t5", "u1", "1738400000", "1", "1", None, None, DAY + "1"),
     "sent_ts is a number, not an instant: seconds or milliseconds?"),
    (("t6", "u1", "20250201", "1", "1", None, None, DAY + "1"),
     "sent_ts is a number, not an instant: seconds or milliseconds?"),
    (("t7", "u1", "now", "1", "1", None, None, DAY + "1"), "sent_ts is no timestamp"),
    (("t8", "u1", "2025-02-30", "1", "1", None, None, DAY + "1"), "sent_ts is no timestamp"),
    (("t9", "u1", "01.02.2025", "1", "1", None, None, DAY + "1"), "sent_ts is no timestamp"),
    (("t10", "u1", "2025-02-01 10:00 EST", "1", "1", None, None, DAY + "1"),
     "sent_ts is no timestamp"),
    (("t11", "u1", "2025-02-01 10:00:00 Europe/Berlin", "1", "1", None, None, DAY + "1"),
     "sent_ts is no timestamp"),
    # Ids that are nobody's, or were numbers on their way.
    (("n3", "null", DAY + "1", "1", "1", None, None, DAY + "1"), NOBODY),
    (("n4", "NaN", DAY + "1", "1", "1", None, None, DAY + "1"), NOBODY),
    (("n5", "N/A", DAY + "1", "1", "1", None, None, DAY + "1"), NOBODY),
    (("n6", " none ", DAY + "1", "1", "1", None, None, DAY + "1"), NOBODY),
    (("n7", "-", DAY + "1", "1", "1", None, None, DAY + "1"), NOBODY),
    (("n8", "<NULL>", DAY + "1", "1", "1", None, None, DAY + "1"), NOBODY),
    (("n9", "\\N", DAY + "1", "1", "1", None, None, DAY + "1"), NOBODY),
    (("n10", "123.0", DAY + "1", "1", "1", None, None, DAY + "1"), NUMBER),
    (("n11", "1.23E9", DAY + "1", "1", "1", None, None, DAY + "1"), NUMBER),
    (("n12", "1e+09", DAY + "1", "1", "1", None, None, DAY + "1"), NUMBER),
    (("n13", "1,234", DAY + "1", "1", "1", None, None, DAY + "1"), NUMBER),
    *((("n17", text, DAY + "1", "1", "1", None, None, DAY + "1"), NOBODY) for text in (
        "NaT", "[object Object]", "n.a.", "nobody", "No user", "None.0", "unknown_user",
        "null null", "Guest User", "#REF!", "#NAME?", "no-one", "NULL_null", "not applicable",
        "0" * 32, "ffffffff-ffff-ffff-ffff-ffffffffffff",
    )),
    *((("n18", text, DAY + "1", "1", "1", None, None, DAY + "1"), NUMBER) for text in (
        "1\u202f234", "1\u2009234", "1\u00a0234\u00a0567", "1.234.567", "1.234.567,00",
        "1\u2019234", "12,34,567", "1.134.567.890",
    )),
    *((("n19", text, DAY + "1", "1", "1", None, None, DAY + "1"), None) for text in (
        "0", "-1", "Nat", "Nana", "192.168.100.200", "10.117.101.255", "nobody42", "1.234",
        "unknown7", "guesthouse", "user", "name", "id-na", "1.2.3",
    )),
    (("n20", "Zo\ufffd", DAY + "1", "1", "1", None, None, DAY + "1"), LOST.format("user_id")),
    (("\ufffd", "u1", DAY + "1", "1", "1", None, None, DAY + "1"), LOST.format("bonus_id")),
    (("n14", "5e3", DAY + "1", "1", "1", None, None, DAY + "1"), None),
    (("n15", "nullius", DAY + "1", "1", "1", None, None, DAY + "1"), None),
    (("n16", "漢字", DAY + "1", "1", "1", None, None, DAY + "1"), None),
    (("NaN", "u1", DAY + "1", "1", "1", None, None, DAY + "1"),
     "bonus_id is a text for nobody, such as null or N/A"),
]  # fmt: skip


@pytest.mark.parametrize("partitions", [1, 3])
def test_each_rule_of_bonuses_catches_its_row(spark, partitions: int) -> None:
    order = np.random.default_rng(partitions).permutation(len(BONUSES))
    rows = spark.createDataFrame([BONUSES[i][0] for i in order], BONUS).repartition(partitions)
    judged = judge("bonuses", rows, GRID)
    found = {}
    for row in judged.collect():
        record = json.loads(row["_record"])
        found[tuple(record.values())] = row[VERDICT]
    assert found == dict(BONUSES)
    counted = tally(judged)
    assert counted.read == len(BONUSES)
    assert sum(counted.bad.values()) == sum(verdict is not None for _, verdict in BONUSES)


# Text, the instant in UTC as it is written there.
INSTANTS = {
    "2025-02-01 10:30:00": "2025-02-01 10:30:00",
    "2025-02-01T10:30": "2025-02-01 10:30:00",
    "2025-02-01 10:30Z": "2025-02-01 10:30:00",
    "2025-02-01T10:30+02:00": "2025-02-01 08:30:00",
    "2025-02-01T10:30:00Z": "2025-02-01 10:30:00",
    "2025-02-01 10:30:00 UTC": "2025-02-01 10:30:00",
    "2025-02-01T10:30:00+02:00": "2025-02-01 08:30:00",
    "2025-02-01T10:30:00-0530": "2025-02-01 16:00:00",
    "2025-02-01T10:30:00+01": "2025-02-01 09:30:00",
    "2025-02-01T10:30:00.123456789Z": "2025-02-01 10:30:00.123456",
    "\ufeff 2025-02-01 10:30:00\r": "2025-02-01 10:30:00",
    "2025-2-1 1:02:03": "2025-02-01 01:02:03",
}


def test_an_instant_without_a_zone_is_utc_whatever_the_sessions_zone(spark) -> None:
    expected = [datetime.fromisoformat(f"{t}+00:00") for t in INSTANTS.values()]
    spark.conf.set("spark.sql.session.timeZone", "America/Los_Angeles")
    try:
        rows = spark.createDataFrame(
            [(text, "u1", "visit", None, text) for text in INSTANTS],
            "event_ts string, user_id string, kind string, amount double, ingest_ts string",
        )
        ntz = spark.sql(
            "SELECT 'u' user_id, TIMESTAMP_NTZ'2025-02-01 10:30:00.5' event_ts, 'visit' kind, "
            "1.0 amount, DATE'2025-02-01' ingest_ts"
        )
        micros = [
            judge("activity", frame, GRID)
            .selectExpr("unix_micros(event_ts)", "unix_micros(ingest_ts)", DATED)
            .collect()
            for frame in (rows, ntz)
        ]
    finally:
        spark.conf.set("spark.sql.session.timeZone", "UTC")
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert [epoch + timedelta(microseconds=row[0]) for row in micros[0]] == expected
    half, day, dated = micros[1][0]
    assert epoch + timedelta(microseconds=half) == datetime(2025, 2, 1, 10, 30, 0, 500000, UTC)
    assert epoch + timedelta(microseconds=day) == datetime(2025, 2, 1, tzinfo=UTC)
    assert (dated, micros[0][0][2]) == (True, False)


@pytest.mark.parametrize(
    ("period", "start"),
    [
        ({"origin": "2025-01-06T00:00:00+02:00"}, datetime(2025, 1, 31, 22, tzinfo=UTC)),
        ({"zone": "America/New_York", "origin": "2025-01-06"}, datetime(2025, 2, 1, 5, tzinfo=UTC)),
    ],
)
def test_a_date_alone_is_the_start_of_the_local_day(spark, period: dict, start: datetime) -> None:
    grid = replace(GRID, calendar=PeriodSettings(**period).calendar())
    rows = spark.sql(
        "SELECT 'u' user_id, '2025-02-01' event_ts, 'visit' kind, 1.0 amount, "
        "DATE'2025-02-01' ingest_ts"
    )
    row = judge("activity", rows, grid).selectExpr(
        "unix_seconds(event_ts) a", "unix_seconds(ingest_ts) b"
    )
    assert [tuple(each) for each in row.collect()] == [(int(start.timestamp()),) * 2]


def test_ids_lose_blanks_and_marks_on_every_side_alike_and_are_counted(spark) -> None:
    ids = ["u1", " u1", "u1\r\n", "\ufeffu1", "u\u200b1", "u1\u00a0", "\tu1"]
    rows = spark.createDataFrame(
        [(text, DAY + "1", "visit", None, DAY + "1") for text in ids],
        "user_id string, event_ts string, kind string, amount double, ingest_ts string",
    )
    judged = judge("activity", rows, GRID)
    assert {row.user_id for row in judged.collect()} == {"u1"}
    assert judged.where(MENDED).count() == tally(judged).mended == len(ids) - 1
    assert tally(judged).dated == len(ids)


def test_a_float32_amount_is_its_face_value_and_kept_as_it(spark) -> None:
    grid = replace(GRID, amounts=(0.0, 0.1, 99.99, 16777.21))
    rows = spark.sql(
        "SELECT CAST(level AS STRING) bonus_id, 'u' user_id, '2025-02-01' sent_ts, level, "
        "CAST(face AS FLOAT) amount, CAST(0.7 AS FLOAT) propensity, NULL policy_id, "
        "'2025-02-01' ingest_ts FROM VALUES (1, 0.1), (2, 99.99), (3, 16777.21) AS t(level, face)"
    )
    double = rows.withColumn("amount", F.col("amount").cast("double"))
    for frame in (rows, double):
        found = {row.level: row for row in judge("bonuses", frame, grid).collect()}
        assert {level: row.amount for level, row in found.items()} == {
            1: 0.1,
            2: 99.99,
            3: 16777.21,
        }
        assert {(row[VERDICT], row.propensity) for row in found.values()} == {(None, 0.7)}
    # A cent more is other money, of large amounts, too.
    more = double.withColumn("amount", F.col("amount") + 0.01)
    assert tally(judge("bonuses", more, grid)).bad == {
        "amount is not the face value of the level": 3
    }


def test_extreme_instants_go_to_quarantine_and_stop_nothing(spark) -> None:
    rows = spark.sql(
        "SELECT 'u' user_id, timestamp_micros(x) event_ts, 'visit' kind, 1.0 amount, "
        "timestamp_micros(x) ingest_ts FROM VALUES (-9223372036854775808L), "
        "(9223372036854775807L), (-62167219200000001L), (253402300800000000L) AS t(x)"
    )
    judged = judge("activity", rows, GRID)
    assert tally(judged).bad == {"event_ts is no timestamp": 4}
    kept = as_quarantine(judged.withColumn("_source", F.lit("s")), "event_ts", GRID.calendar)
    assert [row.period for row in kept.collect()] == [None] * 4


REDEMPTIONS = [
    (("a", "u1", DAY + "3", 1.0), None),
    (("a1", "u1", DAY + "3", 0.5), None),
    (("a2", "u1", DAY + "3", 0.0), None),
    (("a3", "u1", DAY + "3", 1.0000000001), None),
    (("a4", "u1", DAY + "3", 1.01), "amount is above its bonus's face value"),
    (("a5", "u1", DAY + "3", 100.0), "amount is 100 times its bonus's face value: cents?"),
    (("z", "u1", DAY + "3", 1.0), "bonus_id is unknown"),
    (("b", "u2", DAY + "3", 1.0), "bonus was sent to another user"),
    (("c", "u1", DAY + "3", 1.0), "bonus of level 0 has nothing to redeem"),
    (("d", "u1", DAY + "1", 1.0), "redeemed before the bonus was sent"),
]


def test_each_rule_of_redemptions_catches_its_row(spark) -> None:
    rows = spark.createDataFrame(
        [record for record, _ in REDEMPTIONS],
        "bonus_id string, user_id string, redeemed_ts string, amount double",
    ).withColumn("redeemed_ts", F.col("redeemed_ts").cast("timestamp"))
    sent = spark.createDataFrame(
        [(b, "u1", DAY + "2", int(b != "c"), float(b != "c")) for b in
         ("a", "a1", "a2", "a3", "a4", "a5", "b", "c", "d")],
        "bonus_id string, user_id string, sent_ts string, level int, amount double",
    ).withColumn("sent_ts", F.col("sent_ts").cast("timestamp"))  # fmt: skip
    found = {r.bonus_id: r[VERDICT] for r in of_bonuses(rows, sent, 0.0).collect()}
    assert found == {record[0]: verdict for record, verdict in REDEMPTIONS}
    more = {r.bonus_id: r[VERDICT] for r in of_bonuses(rows, sent, 0.02).collect()}
    assert more == found | {"a4": None}
    every = {r.bonus_id: r[VERDICT] for r in of_bonuses(rows, sent, None).collect()}
    assert every == found | {"a4": None, "a5": None}


def test_events_of_users_that_are_not_there_are_unknown(spark) -> None:
    rows = spark.createDataFrame([("u1",), ("u9",)], "user_id string")
    there = spark.createDataFrame([("u1",), ("u2",)], "user_id string")
    found = {row.user_id: row[VERDICT] for row in of_users(rows, there).collect()}
    assert found == {"u1": None, "u9": "user_id is unknown"}


def test_a_redemption_below_zero_is_no_redemption(spark) -> None:
    rows = spark.createDataFrame(
        [("e", "u1", DAY + "3", -1.0, DAY + "3")],
        "bonus_id string, user_id string, redeemed_ts string, amount double, ingest_ts string",
    )
    assert tally(judge("redemptions", rows, GRID)).bad == {"amount is below 0": 1}


def test_a_sign_up_may_be_old_but_no_unset_date_and_not_ahead(spark) -> None:
    verdicts = {
        "1998-03-01": None,
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


def test_quarantine_holds_the_record_as_it_came_once(spark) -> None:
    bad = ("g", "u1", DAY + "1", "3", "1", "0.5", None, DAY + "1")
    undated = ("d", "u1", "soon", "1", "1", "0.5", None, DAY + "1")
    rows = spark.createDataFrame([bad, bad, undated], BONUS)
    judged = judge("bonuses", rows, GRID).withColumn("_source", F.lit("mine.bonuses"))
    keys = ["source", "reason", "record"]
    held = as_quarantine(judged, "sent_ts", GRID.calendar).dropDuplicates(keys).collect()
    assert {(r.source, r.period, r.reason) for r in held} == {
        ("mine.bonuses", date(2025, 2, 1), "level is outside 0 to 2"),
        ("mine.bonuses", None, "sent_ts is no timestamp"),
    }
    assert len(held) == 2
    record = json.loads(next(r.record for r in held if r.period))
    assert record["level"] == "3"
    assert record["policy_id"] is None


@pytest.mark.parametrize(
    ("name", "columns", "told"),
    [
        ("users", "'u' user_id, 's' segment, 1 ingest_ts", "columns signup_ts; they have user"),
        ("users", "array('u') user_id, 'd' signup_ts, 's' segment, 'd' ingest_ts",
         r"column user_id for table users has type array<string>"),
        ("users", "1.0D user_id, 'd' signup_ts, 's' segment, 'd' ingest_ts",
         "column user_id has type double: an id loses digits in it"),
        ("users", "1.5BD user_id, 'd' signup_ts, 's' segment, 'd' ingest_ts",
         r"column user_id has type decimal\(2,1\): an id loses"),
        ("users", "true user_id, 'd' signup_ts, 's' segment, 'd' ingest_ts",
         "column user_id has type boolean; allowed: a text or an integer"),
        ("users", "X'00' user_id, 'd' signup_ts, 's' segment, 'd' ingest_ts",
         "column user_id has type binary; allowed"),
        ("users", "'u' user_id, 1738400000 signup_ts, 's' segment, 'd' ingest_ts",
         r"column signup_ts has type int: .*timestamp_seconds\(signup_ts\), timestamp_millis"),
        ("activity", "'u' user_id, 1.7e9D event_ts, 'k' kind, 1 amount, 'd' ingest_ts",
         "column event_ts has type double: a number is no instant"),
        ("activity", "'u' user_id, 'd' event_ts, 'k' kind, true amount, 'd' ingest_ts",
         "column amount has type boolean; allowed: a number"),
        ("activity", "'u' user_id, 'd' event_ts, 'k' kind, now() amount, 'd' ingest_ts",
         "column amount has type timestamp; allowed: a number"),
    ],
)  # fmt: skip
def test_columns_that_can_never_fit_are_refused_before_any_work(
    spark, name: str, columns: str, told: str
) -> None:
    with pytest.raises(DataError, match=told) as caught:
        judge(name, spark.sql(f"SELECT {columns}"), GRID)
    assert "\n" not in str(caught.value)


def test_rows_without_a_time_of_day_that_are_one_are_counted(spark) -> None:
    """Three orders of one date are one row: two are alike. With a time of day none is."""
    rows = [("u1", DAY + "1", "order", 5.0)] * 2 + [
        ("u1", DAY + "1", "order", 7.0),
        ("u1", DAY + "1", "visit", 7.0),
        ("u2", DAY + "2", "order", 1.0),
        ("u2", DAY + "2 10:00", "order", 1.0),
        ("u2", DAY + "2 10:00", "order", 1.0),
    ]
    names = "user_id string, event_ts string, kind string, amount double"
    frame = spark.createDataFrame(rows, names).withColumn("ingest_ts", F.col("event_ts"))
    zone = PeriodSettings(zone="America/New_York", origin="2025-01-06").calendar()
    for grid in (GRID, replace(GRID, calendar=zone)):
        assert alike(judge("activity", frame, grid), grid.calendar) == 2
