"""The grid and the features that the tests of this folder share."""

from collections.abc import Callable
from typing import Any

import pytest
from random_log import AMOUNTS

from bcrlsp import periods
from bcrlsp.features import FeatureSet, default_feature_set
from bcrlsp.periods import Calendar
from bcrlsp.tables import Lake


@pytest.fixture
def calendar() -> Calendar:
    return periods.Settings().calendar()


@pytest.fixture
def feature_set(calendar: Calendar) -> FeatureSet:
    return default_feature_set(AMOUNTS, calendar)


@pytest.fixture
def rows_of() -> Callable[..., list[tuple[Any, ...]]]:
    """All rows of a table, sorted, without the named columns; lists and bytes as they are."""

    def rows(lake: Lake, table: str, *but: str) -> list[tuple[Any, ...]]:
        frame = lake.read(table).drop(*but)
        found = [
            tuple(tuple(v) if isinstance(v, list) else v for v in row) for row in frame.collect()
        ]
        return sorted(found, key=repr)

    return rows
