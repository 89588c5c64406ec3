"""What the user's files and expressions are read as: no value lost, none made up, none fatal."""

import json
import re
from functools import reduce
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame
from pyspark.sql.types import IntegerType, StringType, TimestampType

from bcrlsp.errors import ConfigError, DataError
from bcrlsp.events import Events, Grid, ingest, names
from bcrlsp.events.instants import guarded, hidden
from bcrlsp.events.mapping import Mapping, mapped
from bcrlsp.events.reading import told
from bcrlsp.events.shapes import SHAPES, VERDICT
from bcrlsp.events.validate import judge
from bcrlsp.periods import Settings as PeriodSettings
from bcrlsp.session import in_utc

GRID = Grid(PeriodSettings().calendar(), (0.0, 1.0, 2.0))
MIN = -(2**63)


def read(spark, name: str, place, kind: str, columns: dict | None = None, **more):
    """The judged rows of one mapped table, by user, and the notes."""
    mapping = Mapping.model_validate(
        {"from": str(place), "format": kind, "columns": columns or {}, **more}
    )
    found = mapped(spark, "here", name, mapping)
    return judge(name, found.rows, GRID), found.notes


def activity(spark, place, kind: str, columns: dict | None = None, **more):
    rows, _ = read(spark, "activity", place, kind, columns, **more)
    return {(r.user_id, r.amount): r[VERDICT] for r in rows.collect()}


@pytest.mark.parametrize("ansi", ["true", "false"])
def test_no_expression_stops_a_load(spark, tmp_path: Path, ansi: str) -> None:
    """One row each that the expression fails for; the other is good, or bad by its own rule."""
    spark.sql(
        f"SELECT * FROM VALUES ('a', {MIN}L, '06.01.2025 10:00', 1, 0), "
        "('b', 1736157600000L, 'yesterday', 2, 3) AS t(who, ms, text, one, n)"
    ).write.parquet(str(tmp_path / "t"))
    text = "to_timestamp(text, 'dd.MM.yyyy HH:mm')"
    day = "TIMESTAMP'2025-01-06 10:00:00'"
    cases = [
        # event_ts, amount, verdicts of a and b
        ("timestamp_millis(ms)", "1.0", "event_ts cannot be computed", None),
        # What both columns have in common is computed once, and still stops nothing.
        ("timestamp_millis(ms)", "unix_millis(timestamp_millis(ms)) * 0.0",
         "event_ts cannot be computed", None),
        (text, "1.0", None, "event_ts cannot be computed"),
        (f"{text} + INTERVAL 1 HOUR", f"hour({text})", None, "event_ts cannot be computed"),
        (day, "1 / n", "amount cannot be computed", None),
        (day, "CAST(text AS INT)", "amount cannot be computed", "amount cannot be computed"),
        (day, "array(1.5)[n]", None, "amount cannot be computed"),
        (day, "CAST(ms AS INT)", "amount cannot be computed", "amount cannot be computed"),
        (day, "abs(ms)", "amount cannot be computed", None),
        ("make_timestamp(2025, 13 - n, 1, 0, 0, 0)", "1.0", "event_ts cannot be computed", None),
        (day, "raise_error('no')", "amount cannot be computed", "amount cannot be computed"),
        (day, "NULL -- none", None, None),
    ]  # fmt: skip
    spark.conf.set("spark.sql.ansi.enabled", ansi)
    in_utc(spark)
    for instant, amount, first, second in cases:
        columns = {"user_id": "who", "event_ts": instant, "kind": "'v'", "amount": amount}
        rows, _ = read(spark, "activity", tmp_path / "t", "parquet", columns)
        verdicts = {r.user_id: r[VERDICT] for r in rows.collect()}
        if "make_timestamp" in instant or "timestamp_millis" in instant:
            verdicts = {
                user: None if said == "event_ts is before events.earliest" else said
                for user, said in verdicts.items()
            }
        assert verdicts == {"a": first, "b": second}, (instant, amount)
    rows, _ = read(
        spark, "activity", tmp_path / "t", "parquet",
        {"user_id": "who", "event_ts": day, "kind": "'v'"},
        where="timestamp_millis(ms) > TIMESTAMP'2020-01-01' AND CAST(one AS INT) > 0",
    )  # fmt: skip
    found = {r.user_id: (r[VERDICT], r["_record"]) for r in rows.collect()}
    assert found["b"][0] is None
    assert found["a"][0] == "where cannot be computed"
    assert json.loads(found["a"][1])["ms"] == MIN  # the row as the source has it


def test_upper_case_columns_are_the_columns(spark, tmp_path: Path) -> None:
    spark.sql(
        "SELECT 'u' USER_ID, '2025-01-06 10:00' Event_Ts, 'v' KIND, 1.5 AMOUNT, "
        "'2025-01-07 10:00' INGEST_TS"
    ).write.parquet(str(tmp_path / "t"))
    rows, notes = read(spark, "activity", tmp_path / "t", "parquet")
    row = rows.first()
    assert (row.user_id, row.kind, row.amount, row[VERDICT]) == ("u", "v", 1.5, None)
    assert row.ingest_ts.day == 7
    assert notes == ()


def test_absent_optional_columns_are_told(spark, tmp_path: Path) -> None:
    spark.sql("SELECT 'u' user_id, '2025-01-06' event_ts, 'v' kind").write.parquet(
        str(tmp_path / "t")
    )
    rows, notes = read(spark, "activity", tmp_path / "t", "parquet")
    assert notes == ("activity: no column for amount: empty",)
    assert rows.first().ingest_ts == rows.first().event_ts


def test_a_column_that_only_later_files_have_is_read(spark, tmp_path: Path) -> None:
    place = str(tmp_path / "t")
    columns = "'{}' user_id, '2025-01-06' event_ts, 'v' kind"
    spark.sql("SELECT " + columns.format("a")).write.parquet(place)
    spark.sql("SELECT " + columns.format("b") + ", 2.5D amount").write.mode("append").parquet(place)
    assert activity(spark, place, "parquet") == {("a", None): None, ("b", 2.5): None}
    spark.sql("SELECT " + columns.format("c") + ", 'x' amount").write.mode("append").parquet(place)
    with pytest.raises(DataError, match=r"here\.from = .* cannot be read: .*merg.*") as caught:
        activity(spark, place, "parquet")
    assert "\n" not in str(caught.value)


HEADER = {"header": "true"}


def test_a_csv_file_loses_nothing_in_silence(spark, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        "\ufeffuser_id,event_ts,kind,amount\n"
        "00123,2025-01-06 10:00,v,1\n"
        "b,2025-01-06 10:00,v,1,50\n"  # a decimal comma: one value too many
        "c,2025-01-06\n"
        "d,10:30:00,v,2\n"
        "e,2025,v,3\n"
    )
    for options in (HEADER, HEADER | {"inferSchema": "true"}):
        found = activity(spark, tmp_path / "a.csv", "csv", options=options)
        assert found == {
            ("00123", 1.0): None,
            ("b", 1.0): "row cannot be read as what its file is",
            ("c", None): "row cannot be read as what its file is",
            ("d", 2.0): "event_ts is a time without a date",
            ("e", 3.0): "event_ts is part of a date",
        }


def test_csv_files_of_another_order_of_columns_are_refused(spark, lake, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("user_id,event_ts,kind,amount\nu,2025-01-06,v,1\n")
    (tmp_path / "b.csv").write_text("event_ts,user_id,kind,amount\n2025-01-06,u,v,1\n")
    mapping = Mapping.model_validate({"from": f"{tmp_path}/*.csv", "format": "csv"})
    mapping = mapping.model_copy(update={"options": HEADER})
    rows = mapped(spark, "here", "activity", mapping).rows
    none = [spark.createDataFrame([], SHAPES[n].schema) for n in ("bonuses", "redemptions")]
    line = (
        r"^the events for table activity cannot be read: CSV header .* \(file file:.*/[ab]\.csv\)$"
    )
    with pytest.raises(DataError, match=line):
        ingest(lake, "tables", Events(rows, *none), GRID)
    assert not lake.exists("activity")


@pytest.mark.parametrize("header", ["amount,AMOUNT", "amount,amount", "Amount ,amount"])
def test_a_header_with_a_name_twice_is_refused(spark, tmp_path: Path, header: str) -> None:
    (tmp_path / "a.csv").write_text(f"user_id,event_ts,kind,{header}\nu,2025-01-06,v,1,2\n")
    with pytest.raises(ConfigError, match=r"columns\.amount is missing, and .* more than once"):
        activity(spark, tmp_path / "a.csv", "csv", options=HEADER)


def test_an_index_without_a_name_does_no_harm(spark, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(",user_id,event_ts,kind,x,x\n0,u,2025-01-06,v,1,2\n")
    assert activity(spark, tmp_path / "a.csv", "csv", options=HEADER) == {("u", None): None}


def test_marks_in_names_are_taken_away(spark, tmp_path: Path) -> None:
    row = {"\ufeffuser_id": "u", "event_ts": "2025-01-06", "kind\u200b": "v", " amount ": 1}
    (tmp_path / "a.json").write_text(json.dumps(row))
    assert activity(spark, tmp_path / "a.json", "json") == {("u", 1.0): None}
    found = activity(spark, tmp_path / "a.json", "json", {"user_id": "upper(user_id)"})
    assert found == {("U", 1.0): None}


@pytest.mark.parametrize("folder", ["a b", "a%20b", "a`b", "ünï", "a[1]", "a{b,c}", "a#b", "a'b"])
def test_any_folder_can_be_read(spark, tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "a.csv").write_text("user_id,event_ts,kind\nu,2025-01-06,v\n")
    assert activity(spark, tmp_path / folder / "a.csv", "csv", options=HEADER) == {
        ("u", None): None
    }


def test_a_home_folder_is_found(spark, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.csv").write_text("user_id,event_ts,kind\nu,2025-01-06,v\n")
    assert activity(spark, "~/a.csv", "csv", options=HEADER) == {("u", None): None}
    with pytest.raises(DataError, match="names a home folder that is not known here"):
        activity(spark, "~nobody-of-that-name/a.csv", "csv", options=HEADER)


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("An error occurred while calling o1.\n: org.apache.spark.SparkException: Job aborted"
         "\nCaused by: java.lang.SomeException: CSV header does not conform to the schema."
         "\n Header: event_ts, user_id\n Schema: user_id, event_ts\n"
         "CSV file: file:///data/my%20b.csv\n\tat org.apache",
         "CSV header does not conform to the schema. (file file:///data/my%20b.csv)"),
        ("[FAILED_READ_FILE.NO_HINT] Encountered error while reading file file:///d/a.parquet. \n"
         "Caused by: java.io.IOException: Required field 'x' was not found",
         "Required field 'x' was not found (file file:///d/a.parquet)"),
        ("xlsx.DefaultSource", "Spark has no reader of the format xlsx here; it has delta, "
         "parquet, orc, csv, json and those of packages that the cluster installed"),
        ("[TABLE_OR_VIEW_NOT_FOUND] The table or view `activity`.`json` cannot be found. Verify it",
         "there is no table `activity`.`json` (a folder or file has a / in it, such as ./name)"),
        ("[DATA_SOURCE_NOT_FOUND] Failed to find the data source: exel. Make sure", "Spark has no "
         "reader of the format exel here; it has delta, parquet, orc, csv, json and those of "
         "packages that the cluster installed"),
        ("Something else", "Something else"),
    ],
)  # fmt: skip
def test_a_line_names_what_cannot_be_read(message: str, line: str) -> None:
    assert told(Exception(message)) == line


def test_names_are_told_from_texts_and_functions() -> None:
    columns = ["who", "Current_Date"]
    bare = names.called_without_brackets
    assert bare("user", columns) == ["user"]
    assert bare("concat('user', who, USER)", columns) == ["USER"]
    assert bare("current_date", columns) == []
    assert bare("current_user()", columns) == []
    assert bare("t.user || `user` -- user\n /* user */", columns) == []
    assert bare('"user"', columns) == []
    assert names.changing("concat(uuid(), rand, 'rand()')", columns) == ["uuid()"]
    simple = names.is_simple_condition
    assert simple("NOT bot AND (n > 5 OR n IN (1, 2))", ["t"], ["bot", "n"])
    assert simple("t = 'x' OR `t` <> 'y'", ["t"], ["n"])
    assert not simple("t > 5", ["t"], ["n"])
    assert not simple("t = true", ["t"], ["n"])
    assert not simple("n / 2 > 1", ["t"], ["n"])
    assert not simple("CAST(t AS INT) = 1", ["t"], ["n"])
    assert not simple("t = DATE'2025-01-01'", ["t"], ["n"])


@pytest.mark.parametrize(
    "expression",
    [
        "NOW()", "now ( )", "Current_Timestamp", "current_timestamp()", "`current_date`()",
        "system.builtin.now()", "coalesce(seen, LOCALTIMESTAMP)", "curdate()", "getdate()",
        "unix_timestamp()", "current_time(3)", "current_time", "TIMESTAMP'now'", "date \"Today\"",
        "timestamp '10:30'", "timestamp_ntz r'T10:30'", "CAST(CURRENT_DATE AS STRING)",
        "timestamp_seconds(unix_timestamp( /* now */ ))", "reflect('java.util.UUID', 'randomUUID')",
        "builtin.uuid()", "Rand(7)",
    ],
)  # fmt: skip
def test_what_depends_on_when_it_runs_is_known(expression: str) -> None:
    assert names.changing(expression, ["seen"])


@pytest.mark.parametrize(
    "expression",
    [
        "now", "current_date", "`current_date`", "t.current_date", "current_date.day",
        "unix_timestamp(seen)", "'now()'", "seen -- now()", "TIMESTAMP'2025-01-06 10:00'",
        "date'2025-01-06'", "to_timestamp(seen, 'HH:mm')", "nowadays()",
    ],
)  # fmt: skip
def test_what_does_not_is_known_too(expression: str) -> None:
    assert names.changing(expression, ["seen", "current_date"]) == []


def guarded_texts(expression: str) -> list[str]:
    """Texts found in an expression over texts seen, day; an instant ts; a number n; v of a lambda.

    What is no name is an instant where it names ts, and else a text.
    """
    kinds = {"ts": TimestampType(), "n": IntegerType(), "v": None}

    def kind_of(part: str):
        whole = TimestampType() if re.search(r"\bts\b", part) else StringType()
        return kinds.get(part, whole)

    return guarded(expression, kind_of)[1]


@pytest.mark.parametrize(
    ("expression", "texts"),
    [
        ("CAST(seen AS TIMESTAMP)", ["seen"]),
        ("try_cast( seen as date )", ["seen"]),
        ("cast(seen AS timestamp_ntz)", ["seen"]),
        ("seen::timestamp", ["seen"]),
        ("t.`seen`::DATE", ["t.`seen`"]),
        ("trim(seen)::timestamp", ["trim(seen)"]),
        ("seen::string::timestamp", ["seen::string"]),
        ("split(seen, ',')[0]::timestamp", ["split(seen, ',')[0]"]),
        ("CASE WHEN n = 1 THEN (day)::timestamp ELSE ts END", ["(day)::timestamp", "(day)"]),
        ("(seen || day)::timestamp", ["(seen || day)"]),
        ("Timestamp(seen)", ["seen"]),
        ("`date`(seen)", ["seen"]),
        ("to_timestamp(concat(day, ' ', seen))", ["concat(day, ' ', seen)"]),
        ("try_to_timestamp(seen)", ["seen"]),
        ("to_date(seen) -- of the shop", ["seen"]),
        ("to_utc_timestamp(seen, 'Europe/Berlin')", ["seen"]),
        ("convert_timezone('Europe/Berlin', 'UTC', seen)", ["seen"]),
        ("date_trunc('hour', seen)", ["seen"]),
        ("dateadd(HOUR, 1, seen)", ["seen"]),
        ("date_add(seen, 1)", ["seen"]),
        ("seen - INTERVAL 1 HOUR", ["seen"]),
        ("seen + make_interval(0, 0, 0, 0, 1)", ["seen"]),
        ("INTERVAL 1 HOUR + trim(seen)", ["trim(seen)"]),
        ("try_add(seen, INTERVAL '1' HOUR)", ["seen"]),
        ("coalesce(ts, seen)", ["seen"]),
        ("if(n > 0, ts, seen)", ["seen"]),
        ("CASE WHEN n = 1 THEN ts WHEN day = 'x' THEN seen ELSE day END", ["seen", "day"]),
        ("to_timestamp(coalesce(seen, day))", ["coalesce(seen, day)"]),
        ("coalesce(to_timestamp(seen), to_timestamp(day, 'dd.MM.yyyy'))", ["seen"]),
        # A format of the user's own, another type, a text or a comment: nothing changes.
        ("to_timestamp(seen, 'HH:mm')", []),
        ("to_date(seen, 'yyyy')", []),
        ("timestamp_millis(n)", []),
        ("CAST(n AS TIMESTAMP)", []),
        ("CAST(seen AS STRING)", []),
        ("date(ts)", []),
        ("TIMESTAMP'2025-01-06 10:00'::date", []),
        ("'CAST(seen AS DATE)'", []),
        ("seen -- ::date", []),
        ("coalesce(seen, day)", []),
        ("n + 1", []),
        ("INTERVAL 1 HOUR + ts", []),
    ],
)  # fmt: skip
def test_texts_that_become_instants_are_found(expression: str, texts: list[str]) -> None:
    if expression.startswith("TIMESTAMP'"):
        assert guarded(expression, lambda _: TimestampType()) == (expression, [])
        return
    found = guarded_texts(expression)
    assert found == texts
    if not texts:
        assert guarded(expression, lambda part: IntegerType())[0] == expression


def test_instants_within_a_value_are_known() -> None:
    for expression in (
        "CAST(array(seen) AS ARRAY<TIMESTAMP>)[0]",
        "CAST(s AS STRUCT<a: INT, b: DATE>).b",
        "from_json(raw, 'seen timestamp').seen",
        "from_json(raw, 'a int, seen date').seen",
        "from_json(raw, 'map<string,timestamp>')['seen']",
        "variant_get(raw, '$.seen', 'timestamp')",
    ):
        assert hidden(expression), expression
    for expression in (
        "CAST(seen AS TIMESTAMP)",
        "from_json(raw, 'date string, n int').date",
        "from_json(raw, 'struct<date:string>')",
        "from_json(raw, 'seen timestamp', map('timestampFormat', 'dd.MM.yyyy')).seen",
        "variant_get(raw, '$.date', 'string')",
        "date(variant_get(raw, '$.date', 'string'))",
        "'CAST(array(seen) AS ARRAY<TIMESTAMP>)'",
    ):
        assert not hidden(expression), expression


NO_TIME, PART = "event_ts is a time without a date", "event_ts is part of a date"
FAILED = "event_ts cannot be computed"


def test_no_expression_completes_a_date(spark, tmp_path: Path) -> None:
    """The same verdicts as a bare name's, whichever way a text becomes an instant."""
    seen = {
        "2025-01-06 10:00:00": None, "10:30:00": NO_TIME, "T10:30": NO_TIME, "2025": PART,
        "2025-02": PART,
    }  # fmt: skip
    spark.createDataFrame(
        list(enumerate([*seen, "now", "2025-01-06"])), "n int, seen string"
    ).write.parquet(str(tmp_path / "t"))
    ways = [
        "seen", "CAST(seen AS TIMESTAMP)", "seen::timestamp", "timestamp(seen)", "date(seen)",
        "to_timestamp(seen)", "try_to_timestamp(seen)", "to_date(trim(seen))",
        "to_utc_timestamp(seen, 'Europe/Berlin')", "seen + INTERVAL 1 HOUR",
        "INTERVAL 1 HOUR + seen", "CASE WHEN n < 9 THEN (seen)::timestamp END",
        "transform(array(seen), x -> CAST(x AS TIMESTAMP))[0]",
        "coalesce(to_timestamp(seen), TIMESTAMP'2025-01-07')", "if(n < 9, seen, date'2025-01-07')",
        "CASE WHEN n < 9 THEN seen ELSE date'2025-01-07' END",
        "CAST(concat(CAST(seen AS DATE), ' 10:00') AS TIMESTAMP)",
    ]  # fmt: skip
    frames = []
    for way in ways:
        columns = {"user_id": "n", "event_ts": way, "kind": "'v'"}
        rows, _ = read(spark, "activity", tmp_path / "t", "parquet", columns)
        frames.append(rows.selectExpr(f"{ways.index(way)} way", "int(user_id) n", VERDICT))
    texts = [*seen, "now", "2025-01-06"]
    found = {}
    for way, n, verdict in reduce(DataFrame.unionByName, frames).collect():
        found.setdefault(ways[way], {})[texts[n]] = verdict
    assert found["seen"] == seen | {"now": "event_ts is no timestamp", "2025-01-06": None}
    for way in ways[1:]:
        now = found[way].pop("now")
        assert now in (FAILED, "event_ts is missing"), way
        if "transform" in way:  # nobody can name a lambda's text
            assert {t: v is None for t, v in found[way].items()} == {
                t: v is None for t, v in (seen | {"2025-01-06": None}).items()
            }
            continue
        assert found[way] == seen | {"2025-01-06": None}, way


def test_a_csv_files_guess_completes_no_date(spark, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("who,seen\na,2025-01-06 10:00:00\nb,10:30:00\n")
    columns = {"user_id": "who", "event_ts": "seen - INTERVAL 1 HOUR", "kind": "'v'"}
    guess = {"header": "true", "inferSchema": "true"}
    found = activity(spark, tmp_path / "a.csv", "csv", columns, options=guess)
    assert found == {("a", None): None, ("b", None): NO_TIME}


@settings(max_examples=50, deadline=None)
@given(st.text(alphabet="ab`'\"()[],:+- \n", max_size=30))
def test_any_expression_is_looked_at(text: str) -> None:
    for part in (
        "{}::date",
        "CAST({} AS DATE)",
        "coalesce({}, ts)",
        "CASE {} END",
        "INTERVAL 1 DAY + {}",
    ):
        guarded(part.format(text), lambda _: StringType())


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=40))
def test_any_text_has_names_or_none(text: str) -> None:
    for name in names.mentioned(text):
        assert name in text
    assert names.cleaned(names.cleaned(text)) == names.cleaned(text)
