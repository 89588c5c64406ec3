"""A lake that is missing, wrong or unreadable: code 2, one line, and the old page stays."""

from pathlib import Path

import pytest
from report_lake import NOON, put

from bcrlsp import cli
from bcrlsp.tables import Lake
from bcrlsp.tables import Settings as LakeSettings

OLD = "<p>the page of yesterday</p>"


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "artifacts" / "report.html"
    path.parent.mkdir()
    path.write_text(OLD, encoding="utf-8")
    return path


def ran(command: list[str], lake: object, page: Path) -> int:
    settings = [f"lake.root={lake}", f"artifacts={page.parent}"]
    return cli.run([*command, *(word for each in settings for word in ("--set", each))])


def held(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.rglob("*"))


def delta(spark, place: Path) -> Path:
    """A Delta table of other columns than ours."""
    spark.range(3).coalesce(1).write.format("delta").save(str(place))
    return place


def missing(spark, root: Path) -> Path:
    return root / "nowhere" / "lake"


def a_file(spark, root: Path) -> Path:
    place = root / "file"
    place.write_text("no folder")
    return place


def empty(spark, root: Path) -> Path:
    place = root / "empty"
    place.mkdir()
    return place


def other_things(spark, root: Path) -> Path:
    place = root / "photos"
    (place / "2025").mkdir(parents=True)
    (place / "2025" / "sea.jpg").write_bytes(b"\xff\xd8")
    return place


def no_delta(spark, root: Path) -> Path:
    place = root / "parquet"
    (place / "trajectories").mkdir(parents=True)
    (place / "trajectories" / "part-0.parquet").write_bytes(b"PAR1")
    return place


def torn_log(spark, root: Path) -> Path:
    place = root / "torn"
    log = delta(spark, place / "trajectories") / "_delta_log"
    (log / f"{0:020}.json").write_text("{torn")
    for check in log.glob(".*.crc"):
        check.unlink()
    return place


def lost_files(spark, root: Path) -> Path:
    place = root / "lost"
    for part in delta(spark, place / "activity").glob("*.parquet"):
        part.unlink()
    return place


def foreign(spark, root: Path) -> Path:
    place = root / "foreign"
    delta(spark, place / "trajectories")
    return place


def one_table_broken(spark, root: Path) -> Path:
    """One table of the lake is whole; another one has files and no log."""
    place = root / "half"
    users = [{"user_id": "u1", "signup_ts": NOON, "segment": "a", "ingest_ts": NOON}]
    put(Lake(spark, LakeSettings(root=str(place))), "users", users)
    (place / "allocations").mkdir()
    (place / "allocations" / "part-0.parquet").write_bytes(b"PAR1")
    return place


BROKEN = [missing, a_file, empty, other_things, no_delta, torn_log, lost_files, foreign]


@pytest.mark.parametrize("make", [*BROKEN, one_table_broken])
def test_the_page_stays(make, spark, tmp_path: Path, page: Path, capfd) -> None:
    lake = make(spark, tmp_path)
    before = held(tmp_path)
    capfd.readouterr()
    assert ran(["report"], lake, page) == 2
    said = [line for line in capfd.readouterr().err.splitlines() if line.startswith("bcrlsp:")]
    assert len(said) == 1
    assert str(lake) in said[0]
    assert page.read_text(encoding="utf-8") == OLD
    assert held(tmp_path) == before


def test_a_catalog_that_is_not_there(spark, page: Path) -> None:
    nowhere = ["lake.root=null", "lake.catalog=spark_catalog", "lake.schema=nowhere"]
    words = [word for each in nowhere for word in ("--set", each)]
    assert cli.run(["report", *words, "--set", f"artifacts={page.parent}"]) == 2
    assert page.read_text(encoding="utf-8") == OLD


@pytest.mark.parametrize("make", [missing, torn_log])
def test_evaluate_reads_no_such_lake_either_and_makes_none(
    make, spark, tmp_path: Path, page: Path, capfd
) -> None:
    lake = make(spark, tmp_path)
    before = held(tmp_path)
    capfd.readouterr()
    assert ran(["evaluate", "--policy", "p"], lake, page) == 2
    assert "Traceback" not in capfd.readouterr().err
    assert held(tmp_path) == before


def test_some_tables_are_enough(spark, tmp_path: Path, page: Path) -> None:
    lake = one_table_broken(spark, tmp_path)
    (lake / "allocations" / "part-0.parquet").unlink()
    assert ran(["report"], lake, page) == 0
    assert "bcrlsp allocate" in page.read_text(encoding="utf-8")
    for period in ("2025-01-31", "tomorrow"):
        page.write_text(OLD, encoding="utf-8")
        assert ran(["report", "--period", period], lake, page) == 2
        assert page.read_text(encoding="utf-8") == OLD


def test_a_page_that_cannot_be_written_is_one_line(
    spark, tmp_path: Path, page: Path, monkeypatch, capfd
) -> None:
    lake = one_table_broken(spark, tmp_path)
    (lake / "allocations" / "part-0.parquet").unlink()
    (tmp_path / "flat").write_text("a file, no folder")
    assert ran(["report"], lake, tmp_path / "flat" / "report.html") == 2
    assert "cannot be written" in capfd.readouterr().err

    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    assert ran(["report"], lake, page) == 2
    assert "No space left" in capfd.readouterr().err
    assert page.read_text(encoding="utf-8") == OLD
    assert [path.name for path in page.parent.iterdir()] == [page.name]
