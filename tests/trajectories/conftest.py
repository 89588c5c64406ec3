"""The grid and the features that the tests of this folder share."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession
from random_log import AMOUNTS, PERIODS, WINDOW, Log, draw

from bcrlsp import periods
from bcrlsp.features import FeatureSet, default_feature_set
from bcrlsp.periods import Calendar
from bcrlsp.tables import Lake
from bcrlsp.tables import Settings as LakeSettings
from bcrlsp.trajectories import Settings, build

Rows = list[dict[str, Any]]


@pytest.fixture(scope="session")
def calendar() -> Calendar:
    return periods.Settings().calendar()


@pytest.fixture(scope="session")
def feature_set(calendar: Calendar) -> FeatureSet:
    return default_feature_set(AMOUNTS, calendar)


@pytest.fixture(scope="session")
def log(calendar: Calendar) -> Log:
    """The log of `base`."""
    return draw(calendar, users=9, length=PERIODS, seed=11)


@pytest.fixture(scope="session")
def base(
    spark: SparkSession,
    tmp_path_factory: pytest.TempPathFactory,
    feature_set: FeatureSet,
    log: Log,
) -> Lake:
    """A lake with `log` and the trajectories of `WINDOW`. Not to be changed."""
    lake = Lake(spark, LakeSettings(root=str(tmp_path_factory.mktemp("base"))))
    log.write(lake, feature_set.calendar.start(PERIODS))
    build(lake, Settings(), feature_set, WINDOW)
    return lake


@pytest.fixture
def built(base: Lake, tmp_path: Path) -> Lake:
    """A copy of `base`, for a test of its own."""
    root = tmp_path / "built"
    shutil.copytree(base.place, root)
    return Lake(base.spark, LakeSettings(root=str(root)))


@pytest.fixture
def events(base: Lake, tmp_path: Path) -> Lake:
    """A copy of the event tables of `base` and their marks alone."""
    root = tmp_path / "events"
    for name in ("activity", "bonuses", "redemptions", "users", "deliveries"):
        shutil.copytree(Path(base.place) / name, root / name)
    return Lake(base.spark, LakeSettings(root=str(root)))


@pytest.fixture(scope="session")
def rows_of(calendar: Calendar) -> Callable[..., Rows]:
    """All rows of a table in the order of its keys, with the period's number for its names."""

    def rows(lake: Lake, table: str = "trajectories", *but: str) -> Rows:
        frame = lake.read(table).drop("period", *but)
        index = calendar.index_of(frame["period_start"])
        found = [row.asDict() for row in frame.withColumn("period_start", index).collect()]
        return sorted(found, key=lambda row: (row["user_id"], row["period_start"]))

    return rows
