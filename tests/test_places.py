"""Places as people write them: home folders, blanks, marks, URIs; what cannot be is one line."""

from pathlib import Path

import pytest

from bcrlsp import places
from bcrlsp.config import load_config
from bcrlsp.errors import ConfigError
from bcrlsp.tables import Lake
from bcrlsp.tables import Settings as LakeSettings


def test_a_place_is_absolute_or_a_uri(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.chdir(tmp_path)
    for given, meant in {
        "~/lake": "/home/ada/lake",
        "~": "/home/ada",
        "lake/": f"{tmp_path}/lake",
        "a ~b/c": f"{tmp_path}/a ~b/c",
        "/x/y//": "/x/y",
        "/": "/",
        "s3://bucket/x/": "s3://bucket/x",
        "dbfs:/mnt/x": "dbfs:/mnt/x",
        "file:/x": "file:/x",
    }.items():
        assert places.absolute(given) == meant
    (tmp_path / "a[1]").mkdir()
    assert places.literal(f"{tmp_path}/a[1]") == f"{tmp_path}/a\\[1\\]"
    assert places.literal(f"{tmp_path}/a*") == f"{tmp_path}/a*"
    assert places.literal("s3://b/a[1]") == "s3://b/a[1]"


@pytest.mark.parametrize("key", ["lake.root", "artifacts"])
@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("~nobody-of-that-name/x", "names a home folder that is not known here"),
        ('""', "is empty; allowed: a folder or a URI"),
        ('"a\\nb"', "holds a line break or another control character"),
    ],
)
def test_a_place_that_cannot_be_is_refused(key: str, place: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        load_config(overrides=[f"{key}={place}"])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("folder", ["a `b` c", "ü%20~[1]"])
def test_a_lake_can_be_in_any_folder(spark, tmp_path: Path, folder: str) -> None:
    lake = Lake(spark, LakeSettings(root=str(tmp_path / folder)))
    rows = spark.sql(
        "SELECT 'u' user_id, timestamp'2025-01-01' signup_ts, 's' segment, "
        "timestamp'2025-01-01' ingest_ts"
    )
    lake.merge("users", rows)
    lake.overwrite("users", rows)
    assert lake.read("users", lake.version("users")).count() == 1
    lake.remove("users", rows)
    assert lake.read("users").count() == 0
    assert (tmp_path / folder / "users" / "_delta_log").is_dir()
