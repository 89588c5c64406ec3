"""Folders as users have them: every file is read, or named in one line."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from bcrlsp.errors import DataError
from bcrlsp.events.files import read
from bcrlsp.events.folders import is_own, levels, partition_names

ROWS = pd.DataFrame({"user_id": [f"u{i}" for i in range(4)], "kind": "visit"})


@pytest.mark.parametrize(
    ("files", "columns"),
    [
        (["s3://b/x/a.csv", "s3://b/x/2025/b.csv"], {()}),
        (["/x/dt=1/k=a/f.parquet", "/x/dt=2/k=b/f.parquet"], {("dt", "k")}),
        (["/x/dt=1/f.parquet", "/x/f=2.parquet"], {("dt",), ()}),
    ],
)
def test_the_columns_that_folders_name(files: list[str], columns: set) -> None:
    assert partition_names(files).keys() == columns


def test_hidden_files_are_looked_for_where_there_are_folders() -> None:
    below = "/[!_.]*"
    assert levels("s3://b/x", ["s3://b/x/a.csv"]) == ["s3://b/x", "s3://b/x" + below]
    assert levels("/x", ["file:///x/1/2/a.csv"]) == ["/x" + below * n for n in range(4)]
    many = [f"/x/{i}/a.csv" for i in range(1001)]
    assert levels("/x", many) == ["/x"]


@pytest.mark.parametrize(
    ("file", "own"),
    [
        ("/x/_temporary/0/part.csv", True),
        ("/x/.ipynb_checkpoints/a-checkpoint.csv", True),
        ("/x/.git/config", True),
        ("/x/_old/readme.md", True),
        ("/x/_old/a.csv", False),
        ("/x/.cache/2025/a.csv.gz", False),
    ],
)
def test_what_tools_keep_is_no_data(file: str, own: bool) -> None:
    assert is_own(file) is own


def write(place: Path, rows: pd.DataFrame = ROWS) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.suffix == ".parquet":
        rows.to_parquet(place)
    elif place.suffix == ".json":
        rows.to_json(place, orient="records", lines=True)
    else:
        rows.to_csv(place, index=False)


def rows_of(spark: Any, place: Path, kind: str = "csv", **options: str) -> Any:
    if kind == "csv":
        options["header"] = "true"
    return read(spark, "activity", str(place), kind, options, {"user_id"})


def test_sub_folders_are_read(spark, tmp_path: Path) -> None:
    shop = tmp_path / "my [shop]"
    for name in ("a.csv", "2025-01/b b.csv", "2025-01/ü/c.csv.gz", "d.csv.bak"):
        write(shop / name)
    for name in ("_SUCCESS", ".a.csv.crc", "2025-01/_committed_1", "2025-01/._b.csv", "_temporary"):
        (shop / name).write_bytes(b"\x00")
    assert rows_of(spark, shop).count() == 16
    write(tmp_path / "json/1/a.json")
    write(tmp_path / "json/2/b.json")
    assert rows_of(spark, tmp_path / "json", "json").count() == 8


@pytest.mark.parametrize(
    ("files", "named"),
    [
        (("a.csv", "_c.csv"), "/_\\*.csv"),
        (("a.csv", "2025/b.csv", "2025/.c.csv.gz"), "/\\*/\\.\\*\\.gz"),
        (("2025/01/_b.csv",), "/\\*/\\*/_\\*.csv"),
        (("2025/_SUCCESS",), "there is no file in it"),
        (("a.csv", "2025/_old/b.csv"), "2025/_old/b.csv"),
        (("a.csv", "_delta_log/0.json"), "holds a Delta table"),
        (("user_id=7/a.csv", "b.csv"), "b.csv does not lie in folders user_id="),
    ],
)
def test_a_file_that_is_not_read_is_named(spark, tmp_path: Path, files, named: str) -> None:
    for name in files:
        write(tmp_path / name)
    with pytest.raises(DataError, match=rf"activity\.from = .*{named}") as caught:
        rows_of(spark, tmp_path)
    assert "\n" not in str(caught.value)
    if "2025/.c.csv.gz" in files:
        assert rows_of(spark, tmp_path, pathGlobFilter="[!_.]*").count() == 8


def test_ids_in_folders_names_keep_their_zeros(spark, tmp_path: Path) -> None:
    for user in ("0007", "17", "1e5"):
        write(tmp_path / f"year=2025/user_id={user}/a.parquet", ROWS[["kind"]])
    rows = rows_of(spark, tmp_path, "parquet")
    assert {row["user_id"] for row in rows.collect()} == {"0007", "17", "1e5"}
    # What is no id is a number, as before.
    assert rows.where("year = 2025").count() == 12
    assert dict(rows.dtypes)["year"] == "int"


def test_json_that_is_not_read_as_it_is_written_is_told(spark, tmp_path: Path) -> None:
    rows = ROWS.to_dict("records")
    array, stream = tmp_path / "array.json", tmp_path / "stream.json"
    array.write_text(json.dumps(rows, indent=1))
    stream.write_text("\n".join(json.dumps(row, indent=1) for row in rows))
    with pytest.raises(DataError, match=r"holds no JSON lines; .* options: \{multiLine: true\}"):
        rows_of(spark, array, "json")
    assert rows_of(spark, array, "json", multiLine="true").count() == 4
    with pytest.raises(DataError, match=r"1 of its files hold several JSON objects, such as .*am"):
        rows_of(spark, stream, "json", multiLine="true")
