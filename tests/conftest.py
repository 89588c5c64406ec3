"""What the tests of a process share: one Spark session, one Ray instance, a fresh lake a test."""

import os
from collections.abc import Iterator
from pathlib import Path

# Two processes of tests share the cores: threads of one would wait for those of the other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("SPARK_CONF_DIR", str(Path(__file__).parent / "spark_conf"))

import hypothesis
import pytest
from pyspark.sql import SparkSession

from bcrlsp import session
from bcrlsp.tables import Lake
from bcrlsp.tables import Settings as LakeSettings

# The same examples in every run: a test that fails by chance says nothing about a change.
hypothesis.settings.register_profile("same", derandomize=True, database=None, deadline=None)
hypothesis.settings.load_profile("same")

# Fixtures that start a JVM or Ray: `make test-fast` leaves out what uses one.
_FIRST, _SECOND = "spark", "more spark"
_LATER = ("trajectories", "decisions")
_SLOW = {"spark": "spark", "lake": "spark", "ray_instance": "ray"}


def pytest_itemcollected(item: pytest.Item) -> None:
    """Marks what needs Spark or Ray, and gives Spark's tests to the processes in two parts.

    A JVM becomes fast only after minutes: one that runs many tests ends sooner than two that share
    them. The first part begins at once; the other process takes what needs no Spark, file by file,
    and then the second part.
    """
    for name in {_SLOW[name] for name in _SLOW.keys() & set(getattr(item, "fixturenames", ()))}:
        item.add_marker(name)
    item.add_marker(pytest.mark.xdist_group(_part(item)))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In the order in which the processes take them."""
    place = {_FIRST: 0, _SECOND: 2}
    items.sort(key=lambda item: place.get(_part(item), 1))


def _part(item: pytest.Item) -> str:
    """The tests that follow one another in one process."""
    if item.get_closest_marker("spark") is None:
        return item.location[0]
    folder = item.path.relative_to(Path(__file__).parent).parts[0]
    return _SECOND if folder in _LATER else _FIRST


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    settings = session.Settings(
        master="local[2]", driver_memory="2g", shuffle_partitions=2, conf={}
    )
    running = session.get_session(settings)
    yield running
    running.stop()


@pytest.fixture
def lake(spark: SparkSession, tmp_path: Path) -> Lake:
    return Lake(spark, LakeSettings(root=str(tmp_path / "lake")))


@pytest.fixture(scope="session")
def ray_instance() -> Iterator[None]:
    import ray

    ray.init(
        num_cpus=2,
        include_dashboard=False,
        object_store_memory=300 * 2**20,
        log_to_driver=False,
        configure_logging=False,
    )
    yield
    ray.shutdown()
