"""allocate on real Spark and Delta: the decisions of solve, whatever the partitions and store."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession

from bcrlsp.allocation import Budget, DeltaStore, FileStore, allocate, solve
from bcrlsp.allocation.settings import Settings
from bcrlsp.errors import DataError

SMALL = Settings(direct_users=60, sample_users=200, core_users=300)


def market(n: int, seed: int, ties: bool, same: bool = False) -> dict[str, Any]:
    """ties: values and costs in few steps. same: all users alike, but for id and segment."""
    rng = np.random.default_rng(seed)
    levels = 5
    lift = rng.gamma(2.0, 0.5, (n, 1)) * (1 - np.exp(-np.arange(levels) / 2.0))
    value = (rng.random((n, 1)) + lift).astype(np.float32)
    cost = (np.arange(levels) * rng.uniform(0.3, 1.0, (n, 1))).astype(np.float32)
    if ties:
        value, cost = np.round(value, 1), np.round(cost * 2) / 2
    if same:
        value[:], cost[:] = value[0], cost[0]
    return {
        "user_id": [f"user-{i}" for i in range(n)],
        "value": value,
        "cost": cost,
        "segment": rng.choice(["gold", "silver", "new"], n),
    }


def frame(spark: SparkSession, m: dict[str, Any], partitions: int) -> DataFrame:
    table = pa.table(
        {
            "user_id": m["user_id"],
            "value": list(m["value"]),
            "cost": list(m["cost"]),
            "segment": list(m["segment"]),
        }
    )
    return spark.createDataFrame(table).repartition(partitions)


def budgets(n: int, several: bool) -> list[Budget]:
    total = [Budget("total", 0.5 * n)]
    return total + [
        Budget("gold", 0.1 * n, groups=["gold"]),
        Budget("top", 0.05 * n, levels=[4], measure="count"),
        Budget("new", 0.3 * n, groups=["new"], minimum=0.12 * n),
    ] * several  # fmt: skip


@pytest.mark.parametrize(("ties", "same"), [(False, False), (True, False), (True, True)])
@pytest.mark.parametrize("several", [False, True])
def test_same_levels_as_solve_for_any_partitions(
    spark: SparkSession, tmp_path: Path, ties: bool, same: bool, several: bool
) -> None:
    m = market(3000, seed=3, ties=ties, same=same)
    asked = budgets(3000, several)
    there = solve(
        m["value"], m["cost"], asked, groups=m["segment"], user_ids=m["user_id"], settings=SMALL
    )
    expected = dict(zip(m["user_id"], there.levels.tolist(), strict=True))
    for partitions in (1, 3, 16):
        done = allocate(
            frame(spark, m, partitions), asked, store=str(tmp_path), settings=SMALL, block_users=700
        )
        rows = done.decisions.collect()
        assert {row["user_id"]: row["level"] for row in rows} == expected
        assert len(rows) == 3000
        assert done.certificate.bound == there.bound
        assert done.certificate.value == there.value
        done.release()
    assert list(tmp_path.iterdir()) == []


def test_blocks_in_delta_give_the_same(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And so do blocks in a temporary folder, which goes with them."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    m = market(2000, seed=5, ties=True)
    asked = budgets(2000, several=True)
    answers = []
    for store in (
        None,
        FileStore(spark, str(tmp_path / "f")),
        DeltaStore(spark, str(tmp_path / "d")),
    ):
        done = allocate(frame(spark, m, 3), asked, store=store, settings=SMALL, block_users=300)
        answers.append(sorted(map(tuple, done.decisions.collect())))
        done.release()
    assert answers[0] == answers[1] == answers[2]
    assert not list(tmp_path.glob("bcrlsp*"))


@pytest.mark.parametrize("delta", [False, True])
def test_a_user_that_is_there_twice_is_named(
    spark: SparkSession, tmp_path: Path, delta: bool
) -> None:
    m = market(1000, seed=5, ties=False)
    m["user_id"][991] = "user-17"
    store = DeltaStore(spark, str(tmp_path / "d")) if delta else str(tmp_path)
    with pytest.raises(DataError, match="'user-17' is in scores twice"):
        allocate(frame(spark, m, 3), budgets(1000, several=False), store=store, settings=SMALL)
