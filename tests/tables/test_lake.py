"""The lake: constraints, idempotent writes, and what an independent client reads."""

from datetime import UTC, date, datetime

import pytest
from deltalake import DeltaTable
from pyspark.errors import PySparkException

from bcrlsp.errors import ConflictError, DataError
from bcrlsp.tables import TABLES, Guard, Lake, Settings, patiently

INSTANT = datetime(2025, 1, 6, tzinfo=UTC)


def trajectory(user: str, day: int, level: int = 1, cost: float = 0.0, propensity=0.5) -> tuple:
    start = datetime(2025, 1, day, tzinfo=UTC)
    return (
        user, start.date(), 0, [1.0, 2.0], level, 1.0, cost, propensity, False, start, "all", "f",
        None,
    )  # fmt: skip


def frame(lake: Lake, rows: list[tuple]):
    return lake.spark.createDataFrame(rows, TABLES["trajectories"].schema)


def test_a_window_is_replaced_whole_and_an_empty_result_clears_it(lake: Lake) -> None:
    rows = [trajectory("a", 6), trajectory("a", 7), trajectory("b", 7)]
    lake.overwrite("trajectories", frame(lake, rows))
    lake.replace("trajectories", frame(lake, [trajectory("c", 7)]), "period = DATE'2025-01-07'")
    held = {(r.user_id, r.period) for r in lake.read("trajectories").collect()}
    assert held == {("a", date(2025, 1, 6)), ("c", date(2025, 1, 7))}
    lake.replace("trajectories", frame(lake, []), "period = DATE'2025-01-07'")
    assert {r.user_id for r in lake.read("trajectories").collect()} == {"a"}


def test_rows_outside_the_window_are_refused_and_nothing_changes(lake: Lake) -> None:
    lake.overwrite("trajectories", frame(lake, [trajectory("a", 6)]))
    version = lake.version("trajectories")
    with pytest.raises(PySparkException):
        lake.replace("trajectories", frame(lake, [trajectory("c", 8)]), "period = DATE'2025-01-07'")
    assert lake.version("trajectories") == version


@pytest.mark.parametrize(
    "row",
    [
        trajectory("a", 6, level=-1),
        trajectory("a", 6, cost=-0.5),
        trajectory("a", 6, propensity=0.0),
        trajectory("a", 6, propensity=1.5),
    ],
)
def test_delta_itself_refuses_what_the_contract_forbids(lake: Lake, row: tuple) -> None:
    lake.create("trajectories")
    with pytest.raises(PySparkException, match=r"(?i)constraint"):
        lake.overwrite("trajectories", frame(lake, [row]))


def test_merge_keeps_each_key_once(lake: Lake) -> None:
    schema = TABLES["users"].schema
    first = lake.spark.createDataFrame([("a", INSTANT, "x", INSTANT)], schema)
    second = lake.spark.createDataFrame(
        [("a", INSTANT, "y", INSTANT), ("b", INSTANT, "y", INSTANT)], schema
    )
    lake.merge("users", first)
    lake.merge("users", second, update=False)
    assert {(r.user_id, r.segment) for r in lake.read("users").collect()} == {
        ("a", "x"), ("b", "y"),
    }  # fmt: skip
    lake.merge("users", second)
    assert {r.segment for r in lake.read("users").collect()} == {"y"}


def test_an_independent_client_reads_the_columns_of_every_table(lake: Lake) -> None:
    for name, table in TABLES.items():
        lake.create(name)
        assert DeltaTable(lake.location(name)).schema().to_arrow().names == table.columns


def test_a_pinned_version_does_not_move(lake: Lake) -> None:
    lake.overwrite("trajectories", frame(lake, [trajectory("a", 6)]))
    version = lake.version("trajectories")
    lake.overwrite("trajectories", frame(lake, []))
    assert lake.read("trajectories", version).count() == 1
    assert lake.read("trajectories").count() == 0


def test_a_missing_table_is_one_line_that_says_what_makes_it(lake: Lake) -> None:
    with pytest.raises(DataError, match=r"there is no table policies .*`bcrlsp train` makes it"):
        lake.read("policies")


def test_a_table_of_an_older_version_gets_the_columns_that_it_lacks(lake: Lake) -> None:
    """Its rows stay, read as null there; a pinned version from before reads the same way."""
    table = TABLES["trajectories"]
    young = ("propensity", "inputs")
    kept = [column for column in table.columns if column not in young]
    old = frame(lake, [trajectory("a", 6)]).select(*kept)
    old.write.format("delta").partitionBy("period").save(lake.location("trajectories"))
    before = lake.version("trajectories")
    assert lake.read("trajectories").columns[-2:] == list(young)
    lake.replace("trajectories", frame(lake, [trajectory("b", 7)]), "period = DATE'2025-01-07'")
    found = {
        r.user_id: (r.propensity, r.inputs, r.level) for r in lake.read("trajectories").collect()
    }
    assert found == {"a": (None, None, 1), "b": (0.5, None, 1)}
    assert [(r.user_id, r.inputs) for r in lake.read("trajectories", before).collect()] == [
        ("a", None)
    ]
    with pytest.raises(PySparkException, match=r"(?i)constraint"):
        lake.overwrite("trajectories", frame(lake, [trajectory("a", 6, level=-1)]))


def test_how_long_versions_are_kept_follows_the_settings(lake: Lake) -> None:
    def kept() -> set[str]:
        rows = lake.spark.sql(f"SHOW TBLPROPERTIES {lake.identifier('users')}").collect()
        return {row["value"] for row in rows if row["key"].endswith("RetentionDuration")}

    lake.create("users")
    assert kept() == {"interval 60 days"}
    longer = Settings(root=lake.place, keep_versions="interval 400 days")
    Lake(lake.spark, longer).create("users")
    assert kept() == {"interval 400 days"}


def test_many_small_files_of_a_window_are_put_together(lake: Lake) -> None:
    def files() -> int:
        return len(lake.read("trajectories").inputFiles())

    days = "period >= DATE'2025-01-06' AND period <= DATE'2025-01-07'"
    rows = [trajectory(f"user-{i}", 6 + i % 2) for i in range(16)]
    lake.replace("trajectories", frame(lake, rows).repartition(8), days)
    many = files()
    assert not lake.compact("trajectories", days, most=many)
    assert lake.compact("trajectories", days, most=many - 1)
    assert (files(), many > 4) == (2, True)
    held = {(r.user_id, r.period) for r in lake.read("trajectories").collect()}
    assert held == {(row[0], row[9].date()) for row in rows}


def test_what_many_small_writes_leave_is_put_together(lake: Lake) -> None:
    schema = TABLES["users"].schema
    lake.spark.conf.set("spark.databricks.delta.autoCompact.minNumFiles", "4")
    try:
        for i in range(4):
            lake.merge(
                "users", lake.spark.createDataFrame([(f"{i}", INSTANT, "x", INSTANT)], schema)
            )
    finally:
        lake.spark.conf.unset("spark.databricks.delta.autoCompact.minNumFiles")
    assert len(lake.read("users").inputFiles()) == 1
    assert lake.read("users").count() == 4


def test_of_two_guarded_writes_the_first_one_counts(lake: Lake) -> None:
    """Each looked at the table before the other wrote; the second begins after the first's end."""
    where = "period = DATE'2025-01-06'"
    lake.overwrite("trajectories", frame(lake, [trajectory("x", 7)]))
    seen = Guard("period 6", lake.version("trajectories"))
    lake.replace("trajectories", frame(lake, [trajectory("a", 6)]), where, guard=seen)
    first = lake.version("trajectories")
    assert first == seen.version + 1
    with pytest.raises(ConflictError, match="another run changed table trajectories"):
        lake.replace("trajectories", frame(lake, [trajectory("b", 6)]), where, guard=seen)
    assert lake.version("trajectories") == first
    # What is shared is the key: another one is free, and so is whoever looked later.
    elsewhere = Guard("period 8", seen.version)
    eight = frame(lake, [trajectory("c", 8)])
    lake.replace("trajectories", eight, "period = DATE'2025-01-08'", guard=elsewhere)
    later = Guard("period 6", lake.version("trajectories"))
    lake.replace("trajectories", frame(lake, [trajectory("b", 6)]), where, guard=later)
    assert {r.user_id for r in lake.read("trajectories").collect()} == {"x", "b", "c"}


def test_who_meets_another_run_waits_a_moment_and_tries_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    paused: list[float] = []
    monkeypatch.setattr("time.sleep", paused.append)
    tries = iter([ConflictError("a"), ConflictError("b"), None])

    def write() -> None:
        found = next(tries)
        if found is not None:
            raise found

    patiently(write)
    assert len(paused) == 2
    with pytest.raises(ConflictError):
        patiently(lambda: (_ for _ in ()).throw(ConflictError("always")))
    assert len(paused) == 6
