"""Scoring on Spark gives the policy's own values, whatever the partitions."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from test_policy import AMOUNTS, make, states

from bcrlsp.errors import DataError
from bcrlsp.policies import policy_digest, save_policy
from bcrlsp.policies.scoring import score, score_batch


def frame(spark: SparkSession, x: np.ndarray, **columns: list) -> DataFrame:
    table = {"user_id": [f"u{i:04d}" for i in range(len(x))], "state": list(x)} | columns
    return spark.createDataFrame(pa.table(table))


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return save_policy(make(support=0.6), str(tmp_path / "p"))


@pytest.mark.parametrize("partitions", [1, 3])
def test_scores_are_the_policys_values(spark: SparkSession, uri: str, partitions: int) -> None:
    x, policy = states(500), make(support=0.6)
    users = frame(spark, x, segment=["s"] * 500).repartition(partitions)
    for cost in ("face", "expected"):
        rows = score(users, uri, cost=cost).orderBy("user_id").toPandas()
        np.testing.assert_allclose(np.stack(rows["value"]), policy.q_values(x), rtol=1e-6)
        expected = policy.costs(x) if cost == "expected" else np.tile(AMOUNTS, (500, 1))
        np.testing.assert_allclose(np.stack(rows["cost"]), expected, rtol=1e-6)
        np.testing.assert_array_equal(np.stack(rows["allowed"]), policy.supported(x))
        assert set(rows["segment"]) == {"s"}


def batch(x: np.ndarray, **columns: list) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict(
        {"user_id": [f"u{i}" for i in range(len(x))], "state": list(x)} | columns
    )


def test_a_mask_binds_and_support_only_advises() -> None:
    x, policy = states(200), make(support=0.6)
    mask = np.zeros((200, 3), bool)
    mask[:100, 0] = mask[100:] = True
    scored = score_batch(batch(x, allowed=list(mask.tolist())), policy, "face")
    may = np.array(scored.column("allowed").to_pylist())
    assert not (may & ~mask).any()
    np.testing.assert_array_equal(may[:100], mask[:100])
    np.testing.assert_array_equal(may[100:], policy.supported(x)[100:])


def test_values_are_of_the_price_that_is_asked_for() -> None:
    x, policy = states(50), make(largest_price=0.5)
    scored = {price: score_batch(batch(x), policy, "expected", price) for price in (0.0, 0.2, 9.0)}
    for price, each in scored.items():
        np.testing.assert_allclose(
            each.column("value").to_pylist(), policy.q_values(x, price), rtol=1e-12
        )
    assert not scored[0.0].column("value").equals(scored[0.2].column("value"))
    np.testing.assert_array_equal(policy.q_values(x, 9.0), policy.q_values(x, 0.5))
    # The price is the network's last input.
    with_price = np.hstack([x, np.full((50, 1), 0.2, "f4")])
    (raw,) = policy.network.heads(with_price, ("q",))
    np.testing.assert_allclose(
        policy.q_values(x, 0.2), raw + 0.2 * policy.evaluate(x, 0.2)[1], atol=1e-5
    )


def test_sliced_and_empty_batches() -> None:
    x, policy = states(60), make()
    whole = score_batch(batch(x), policy, "expected")
    part = score_batch(batch(x).slice(20, 10), policy, "expected")
    assert part.column("value").to_pylist() == whole.slice(20, 10).column("value").to_pylist()
    assert score_batch(batch(x).slice(0, 0), policy, "face").num_rows == 0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"state": [[1.0] * 4, [1.0] * 3]}, "the state of user u1 has 3 features; .* takes 4"),
        ({"state": [[1.0] * 4, None]}, "the state of user u1 is null"),
        ({"feature_set": ["f1", "f2"]}, "feature set f2 .* trained on f1"),
        ({"allowed": [[True] * 3, [False] * 3]}, "allows no level"),
        ({"allowed": [[True] * 3, [True] * 2]}, "not of 3 levels"),
    ],
)
def test_bad_states_are_one_clear_line(changed: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        score_batch(batch(states(2), **changed), make(), "face")


def test_mistakes_are_told_before_the_plan_runs(spark: SparkSession, uri: str) -> None:
    users = frame(spark, states(3))
    with pytest.raises(DataError, match="states lack the column state"):
        score(users.drop("state"), uri)
    with pytest.raises(DataError, match="already have the column value"):
        score(users.withColumn("value", users["user_id"]), uri)
    with pytest.raises(DataError, match="there is no policy at"):
        score(users, uri + "x")
    with pytest.raises(DataError, match="cost 'list'; allowed: face, expected, discounted"):
        score(users, uri, cost="list")


def test_a_mistake_in_the_data_stops_the_plan_with_its_line(spark: SparkSession, uri: str) -> None:
    x = states(3)
    x[1, 2] = np.inf
    with pytest.raises(PySparkException, match="feature c is inf"):
        score(frame(spark, x), uri).collect()


def test_a_worker_finds_another_policy_than_the_driver_did(
    spark: SparkSession, uri: str, tmp_path: Path
) -> None:
    scored = score(frame(spark, states(3)), uri)
    shutil.rmtree(uri)
    save_policy(make(7), uri)
    with pytest.raises(PySparkException, match="holds another policy than the one that was train"):
        scored.collect()
    with pytest.raises(DataError, match="holds another policy"):
        score(frame(spark, states(3)), uri, digest=policy_digest(make(support=0.6)))
    held = score(frame(spark, states(3)), uri, digest=policy_digest(make(7))).toPandas()
    np.testing.assert_allclose(np.stack(held["value"]), make(7).q_values(states(3)), rtol=1e-6)
