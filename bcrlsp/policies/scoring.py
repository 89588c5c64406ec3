"""Scores of all users on Spark: values and costs of every level, without Ray.

Works the same in a classic session and through Spark Connect: the policy's address travels with
the function, and each worker loads the policy once.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from os import PathLike
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql.types import ArrayType, BooleanType, DoubleType, StructField, StructType

from bcrlsp.arrays import as_states, is_number
from bcrlsp.errors import DataError
from bcrlsp.policies.chances import intersected
from bcrlsp.policies.policy import Policy
from bcrlsp.policies.store import absolute_uri, load_policy

Cost = Literal["face", "expected", "discounted"]


def score(
    states: DataFrame,
    uri: str | PathLike[str],
    *,
    cost: Cost = "face",
    price: float = 0.0,
    digest: str | None = None,
) -> DataFrame:
    """`states` with the columns value, cost (array<double>, one entry a level) and allowed.

    states: user_id, state array<float>, and any other columns, which are kept. Where it has
        feature_set, its value is checked against the policy's. A column `allowed` array<boolean>
        (levels that a user may get) is kept, less what the policy does not support.
    uri: the folder of the policy, which every worker can read.
    cost: "face" is the bonus's amount (never less than what is spent on it), "expected" the
        policy's expected cost in the period, "discounted" its expected cost from now on.
    price: of money in later periods, for a policy that has learned every price (`largest_price`).
    digest: the one that the policy must have; None: the one that it has now. Each worker's policy
        is held against it, so that all users are scored by one policy.
    Raises DataError for a policy that is not the expected one, for a column that is missing or
    taken, and, when the plan runs, for states of another width or feature set, or that are null or
    not finite.
    """
    if not isinstance(cost, str) or cost not in get_args(Cost):
        raise DataError(f"cost {cost!r}; allowed: {', '.join(get_args(Cost))}")
    place = absolute_uri(uri)
    policy = load_policy(place, digest)
    if not is_number(price) or price < 0:
        raise DataError(f"price {price!r} of money; allowed: a number of at least 0")
    if cost == "discounted":
        policy.discounted_costs(np.zeros((0, len(policy.feature_names)), np.float32))
    for column in ("user_id", "state"):
        if column not in states.columns:
            raise DataError(f"states lack the column {column}; they have {states.columns}")
    taken = {"value", "cost"} & set(states.columns)
    if taken:
        raise DataError(f"states already have the column {sorted(taken)[0]}; rename or drop it")
    kept = [field for field in states.schema if field.name != "allowed"]
    added = [
        StructField("value", ArrayType(DoubleType(), False), False),
        StructField("cost", ArrayType(DoubleType(), False), False),
        StructField("allowed", ArrayType(BooleanType(), False), False),
    ]
    return states.mapInArrow(
        _scorer(place, policy.digest, cost, price), StructType([*kept, *added])
    )


def score_batch(
    batch: pa.RecordBatch, policy: Policy, cost: Cost, price: float = 0.0
) -> pa.RecordBatch:
    """One Arrow batch of `score`: the same columns in and out."""
    states = _matrix(batch, policy)
    if len(states):
        values, costs = valued(policy, states, cost, price)
        may = policy.supported(states)
    else:
        values = costs = np.empty((0, policy.levels))
        may = np.empty((0, policy.levels), bool)
    names = list(batch.schema.names)
    if "allowed" in names:
        given = _allowed(batch.column("allowed"), policy.levels)
        may = intersected(may, given)
        names.remove("allowed")
    arrays = [batch.column(name) for name in names]
    arrays += [_lists(values), _lists(costs), _lists(may)]
    return pa.RecordBatch.from_arrays(arrays, [*names, "value", "cost", "allowed"])


def valued(
    policy: Policy, states: NDArray[np.float32], cost: Cost, price: float = 0.0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Values and costs of every level, arrays (n, a), as the budget LP counts them; see `score`.

    states: (n, d), n at least 1.
    """
    values, costs = policy.evaluate(states, price)
    if cost == "discounted":
        costs = policy.discounted_costs(states, price)
    if cost == "face":
        costs = np.ascontiguousarray(np.broadcast_to(policy.amounts, values.shape))
    return values, costs


def _scorer(
    uri: str, digest: str, cost: Cost, price: float
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        policy = _loaded(uri, digest)
        for batch in batches:
            yield score_batch(batch, policy, cost, price)

    return run


@lru_cache(maxsize=4)
def _loaded(uri: str, digest: str) -> Policy:
    return load_policy(uri, digest)


def _matrix(batch: pa.RecordBatch, policy: Policy) -> NDArray[Any]:
    """The states as an array (n, d) float32."""
    if "feature_set" in batch.schema.names:
        other = set(batch.column("feature_set").unique().to_pylist()) - {policy.feature_set}
        if other:
            raise DataError(
                f"states of the feature set {other.pop()} for policy {policy.policy_id}, which "
                f"was trained on {policy.feature_set}; rebuild the states or train again"
            )
    column = batch.column("state")
    width = len(policy.feature_names)
    if column.null_count:
        user = batch.column("user_id")[int(np.argmax(column.is_null()))]
        raise DataError(f"the state of user {user} is null; allowed: {width} numbers")
    widths = np.diff(np.asarray(column.offsets))
    if (widths != width).any():
        row = int((widths != width).argmax())
        raise DataError(
            f"the state of user {batch.column('user_id')[row]} has {widths[row]} features; "
            f"policy {policy.policy_id} takes {width}"
        )
    flat = column.flatten().to_numpy(zero_copy_only=False)
    return as_states(flat).reshape(-1, width)


def _allowed(column: pa.Array, levels: int) -> NDArray[Any]:
    widths = np.diff(np.asarray(column.offsets))
    if column.null_count or (widths != levels).any():
        raise DataError(f"a mask `allowed` is null or not of {levels} levels; allowed: {levels}")
    flat = column.flatten()
    if flat.null_count:
        raise DataError("a mask `allowed` holds a null; allowed: true, false")
    may: NDArray[Any] = np.asarray(flat.to_numpy(zero_copy_only=False), bool).reshape(-1, levels)
    if not may.any(axis=1).all():
        raise DataError("a mask `allowed` allows no level; allow at least level 0")
    return may


def _lists(values: NDArray[Any]) -> pa.ListArray:
    rows, width = values.shape
    offsets = pa.array(np.arange(0, (rows + 1) * width, width, dtype=np.int32))
    return pa.ListArray.from_arrays(offsets, pa.array(values.reshape(-1)))
