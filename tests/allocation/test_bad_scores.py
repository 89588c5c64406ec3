"""Scores that cannot be worked with: each gets its line, from the tasks of Spark."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from bcrlsp.allocation import Budget, allocate
from bcrlsp.errors import DataError, UserError

TYPES = {
    "user_id": pa.string(),
    "value": pa.list_(pa.float32()),
    "cost": pa.list_(pa.float32()),
    "allowed": pa.list_(pa.bool_()),
    "segment": pa.string(),
}
GOOD: dict[str, list[Any]] = {
    "user_id": ["a", "b", "c"],
    "value": [[0.0, 1.0], [0.0, 2.0], [0.5, 1.0]],
    "cost": [[0.0, 1.0], [0.0, 1.0], [0.0, 2.0]],
    "allowed": [[True, True], [True, False], [True, True]],
    "segment": ["x", "y", "x"],
}
NAN = float("nan")


@pytest.mark.parametrize(
    ("column", "rows", "line"),
    [
        ("value", [[0.0, 1.0], [0.0, 2.0], [NAN, 1.0]], "value of user 'c' at level 0 is nan"),
        ("value", [[0.0, float("inf")], [0.0, 2.0], [0.5, 1.0]], "value of user 'a' at level 1"),
        ("cost", [[0.0, -1.0], [0.0, 1.0], [0.0, 2.0]], "cost of user 'a' at level 1 is -1"),
        ("cost", [[0.0, 1.0, 2.0], [0.0, 1.0, 2.0], [0.0, 2.0, 2.0]], "2 levels and cost 3"),
        ("cost", [[0.0, 1.0], [0.0], [0.0, 2.0]], "cost of user 'b' has 1 entries"),
        ("cost", [[0.0, 1.0], None, [0.0, 2.0]], "cost of user 'b' has None entries"),
        ("cost", [[0.0, 1.0], [0.0, None], [0.0, 2.0]], "user 'b' at level 1 is null"),
        ("allowed", [[True, True], [False, False], [True, True]], "'b' has no allowed level"),
        ("user_id", ["a", None, "c"], "a user_id is null"),
        ("user_id", ["a", "c", "c"], "user 'c' is in scores twice"),
        (
            "value",
            [["0.0", "1.0"], ["0.0", "2.0"], ["0.5", "1.0"]],
            "value holds .*; allowed: an array of numbers",
        ),
    ],
)
def test_bad_scores(
    spark: SparkSession, tmp_path: Path, column: str, rows: list[Any], line: str
) -> None:
    scores = {**GOOD, column: rows}
    texts = column == "value" and isinstance(rows[0][0], str)
    types = {**TYPES, "value": pa.list_(pa.string())} if texts else TYPES
    table = pa.table({name: pa.array(held, types[name]) for name, held in scores.items()})
    frame = spark.createDataFrame(table).coalesce(1)
    with pytest.raises(UserError, match=line) as raised:
        allocate(frame, [Budget("some", 2.0, groups=["x"])], store=str(tmp_path))
    assert "\n" not in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_no_users(spark: SparkSession, tmp_path: Path) -> None:
    table = pa.table({name: pa.array(held, TYPES[name]) for name, held in GOOD.items()})
    frame = spark.createDataFrame(table).where("user_id = 'nobody'")
    with pytest.raises(DataError, match="there are no users in scores"):
        allocate(frame, [Budget("total", 2.0)], store=str(tmp_path))
