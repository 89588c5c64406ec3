"""Where the blocks of scores lie, by the settings and the kind of cluster."""

from types import SimpleNamespace
from typing import Any

import pytest

from bcrlsp.allocation import DeltaStore, FileStore, Settings
from bcrlsp.allocation.spark.choice import choose_store
from bcrlsp.errors import UserError


def spark(master: str | None) -> Any:
    """A session that says where it runs; nothing else is asked of it."""
    return SimpleNamespace(conf=SimpleNamespace(get=lambda key, other: master or other))


@pytest.mark.parametrize("master", ["yarn", "k8s://https://a:443", "spark://a:7077", None])
def test_on_a_cluster_blocks_lie_in_the_table_that_the_caller_names(master: str | None) -> None:
    store = choose_store(spark(master), Settings(), "s3://bucket/lake/allocation_blocks")
    assert isinstance(store, DeltaStore)
    assert store.table == "delta.`s3://bucket/lake/allocation_blocks`"


@pytest.mark.parametrize("master", ["local", "local[2]", "local[*]"])
def test_on_one_machine_blocks_are_files(master: str) -> None:
    assert isinstance(choose_store(spark(master), Settings(), "a.b.c"), FileStore)


def test_a_place_in_the_settings_goes_first(tmp_path) -> None:
    settings = Settings(store="delta", location="main.growth.blocks")
    store = choose_store(spark("local[2]"), settings, "a.b.c")
    assert isinstance(store, DeltaStore)
    assert store.table == "main.growth.blocks"
    files = choose_store(spark("yarn"), Settings(store="files", location=str(tmp_path)), "a.b.c")
    assert isinstance(files, FileStore)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (Settings(), "need a place that all workers see"),
        (Settings(store="files"), "do not see the driver's folders"),
        (Settings(store="delta"), "need a place that all workers see"),
    ],
)
def test_what_workers_would_not_see_is_one_line(settings: Settings, words: str) -> None:
    with pytest.raises(UserError, match=words) as told:
        choose_store(spark("yarn"), settings)
    assert "\n" not in str(told.value)
