"""Transitions: order, next rows, masks, and what is refused."""

import pickle
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from deltalake import write_deltalake
from hypothesis import given, settings
from hypothesis import strategies as st
from known_mdp import LOG, learn

from bcrlsp.errors import DataError, UserError
from bcrlsp.learning.disk import StatesOnDisk, created, finished, states_file
from bcrlsp.learning.reading import from_delta, from_frame
from bcrlsp.tables import TABLES, Lake

SCHEMA = pa.schema(
    {
        "user_id": pa.string(), "period": pa.date32(), "step": pa.int32(),
        "state": pa.list_(pa.float32()), "level": pa.int32(), "reward": pa.float64(),
        "cost": pa.float64(), "propensity": pa.float64(), "terminal": pa.bool_(),
        "feature_set": pa.string(),
    }
)  # fmt: skip


def row(user: str, step: int, **changes) -> dict:
    return {
        "user_id": user, "period": date(2025, 1, 1 + step), "step": step,
        "state": [float(step), float(len(user))], "level": step % 3, "reward": 1.0 * step,
        "cost": 0.5, "propensity": None if step == 1 else 0.25, "terminal": False,
        "feature_set": "fs",
    } | changes  # fmt: skip


def table(rows: list[dict]) -> pa.Table:
    return pa.Table.from_pylist(rows, SCHEMA)


ROWS = [row("b", 0), row("b", 1), row("b", 2), row("a", 0), row("a", 1, terminal=True),
        row("c", 0), row("c", 2)]  # fmt: skip


@settings(deadline=None)
@given(st.permutations(ROWS))
def test_any_order_of_rows_gives_the_same_transitions(rows: list[dict]) -> None:
    held = from_frame(table(rows))
    np.testing.assert_array_equal(held.users, [0, 2, 5, 7])
    np.testing.assert_array_equal(held.states[:, 0], [0, 1, 0, 1, 2, 0, 2])
    np.testing.assert_array_equal(held.levels, [0, 1, 0, 1, 2, 0, 2])
    # A terminal row has no next; neither has the last of a user, nor one before a gap.
    np.testing.assert_array_equal(held.has_next, [1, 0, 1, 1, 0, 0, 0])
    np.testing.assert_array_equal(held.usable, [1, 1, 1, 1, 0, 0, 0])
    np.testing.assert_array_equal(np.isnan(held.propensities), [0, 1, 0, 1, 0, 0, 0])
    assert held.feature_set == "fs"


def test_some_users_are_whole_trajectories() -> None:
    held = from_frame(table(ROWS)).of_users(np.array([True, False, True]))
    np.testing.assert_array_equal(held.users, [0, 2, 4])
    np.testing.assert_array_equal(held.has_next, [1, 0, 0, 0])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"state": [1.0, float("nan")]}, r"feature tenure is nan in a state"),
        ({"state": [float("inf"), 1.0]}, r"feature recency is inf in a state"),
        ({"state": [1.0, None]}, "state is null"),
        ({"state": None}, "state is null"),
        ({"state": [1.0]}, "state has 1 entries in one row and 2 in others"),
        ({"level": -1}, "level -1 was logged; allowed: 0 to 127"),
        ({"level": 128}, "level 128 was logged; allowed: 0 to 127"),
        ({"level": None}, "level is null"),
        ({"reward": None}, "reward is null"),
        ({"cost": float("nan")}, "cost is not finite"),
        ({"user_id": None}, "no user_id"),
        ({"step": 0}, "user b has step 0 twice"),
        ({"feature_set": "other"}, r"2 feature sets \(fs, other\)"),
    ],
)
def test_bad_rows_are_one_clear_line(changed: dict, message: str) -> None:
    rows = [ROWS[0], row("b", 1) | changed, *ROWS[2:]]
    with pytest.raises(DataError, match=message) as caught:
        from_frame(table(rows), ["recency", "tenure"])
    assert "\n" not in str(caught.value)


def test_a_missing_column_and_an_empty_table_are_told() -> None:
    with pytest.raises(DataError, match="lack the column step"):
        from_frame(table(ROWS).drop_columns("step"))
    with pytest.raises(DataError, match="there are no trajectories"):
        from_frame(table([]))


def test_masks_are_read_where_the_table_has_them() -> None:
    masks = [[True, index % 2 == 0, False] for index in range(len(ROWS))]
    held = from_frame(table(ROWS).append_column("allowed", pa.array(masks, pa.list_(pa.bool_()))))
    np.testing.assert_array_equal(held.allowed, np.array(masks)[[3, 4, 0, 1, 2, 5, 6]])


def test_a_pinned_version_is_read_without_spark(tmp_path: Path) -> None:
    place = str(tmp_path / "t")
    write_deltalake(place, table(ROWS[:4]), partition_by=["period"])
    write_deltalake(place, table(ROWS[4:]), mode="append")
    assert len(from_delta(place, 0)) == 4
    whole = from_delta(place, 1)
    expected = from_frame(table(ROWS))
    for name in ("states", "levels", "rewards", "costs", "terminal", "has_next", "users"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(expected, name))
    early = from_delta(place, 1, before=date(2025, 1, 2))
    np.testing.assert_array_equal(early.users, [0, 1, 2, 3])
    with pytest.raises(DataError, match="there are no trajectories"):
        from_delta(place, 1, before=date(2024, 1, 1))
    with pytest.raises(DataError, match="cannot read version 9"):
        from_delta(place, 9)
    with pytest.raises(DataError, match="there is no Delta table at"):
        from_delta(str(tmp_path / "x"), 0)


def test_states_in_a_file_are_the_same_and_travel_as_its_name(tmp_path: Path) -> None:
    place = str(tmp_path / "t")
    write_deltalake(place, table(ROWS))
    with states_file(str(tmp_path)) as file:
        held = from_delta(place, 0, states_in=file)
        in_memory = from_delta(place, 0)
        assert isinstance(held.states, StatesOnDisk)
        assert held.nbytes == in_memory.nbytes - in_memory.states.nbytes
        sent = pickle.loads(pickle.dumps(held))
        assert isinstance(sent.states, StatesOnDisk)
        part = pickle.loads(pickle.dumps(held.states[2:5]))
        assert part.base is not held.states.base
        for states in (held.states, sent.states):
            np.testing.assert_array_equal(states, in_memory.states)
        np.testing.assert_array_equal(part, in_memory.states[2:5])
        with pytest.raises(ValueError, match="read-only"):
            held.states[0] = 1.0
        del held, sent, states
    assert [path.name for path in tmp_path.iterdir()] == ["t"]
    with pytest.raises(UserError, match="--states-in '/none': No such file"), states_file("/none"):
        pass


@pytest.mark.parametrize("learners", [0, 1])
def test_states_in_a_file_give_the_same_weights(
    learners: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """In this process, and in a learner of its own, which is sent the file's name."""
    if learners:
        request.getfixturevalue("ray_instance")
    brief = {"updates": 20, "iteration": 10}
    states = created(tmp_path / "states", LOG.states.shape)
    states[:] = LOG.states
    on_disk = replace(LOG, states=finished(states))
    found = learn("dqn", on_disk, **brief, learners=learners).policy.network.weights
    for name, weights in learn("dqn", **brief).policy.network.weights.items():
        np.testing.assert_allclose(found[name], weights, atol=1e-6)


def test_periods_within_a_file_and_columns_that_came_later(tmp_path: Path) -> None:
    place = str(tmp_path / "t")
    write_deltalake(place, table(ROWS[:4]))
    later = table(ROWS[4:]).append_column("note", pa.array(["x"] * 3))
    write_deltalake(place, later, mode="append", schema_mode="merge")
    early = from_delta(place, 1, before=date(2025, 1, 2))
    np.testing.assert_array_equal(early.users, [0, 1, 2, 3])
    np.testing.assert_array_equal(early.states[:, 0], [0, 0, 0])
    masks = pa.array([[True] * 3] * 3, pa.list_(pa.bool_()))
    masked = table(ROWS[4:]).append_column("allowed", masks)
    write_deltalake(place, masked, mode="overwrite", schema_mode="overwrite")
    assert from_delta(place, 2).allowed is not None
    write_deltalake(place, table(ROWS[:4]), mode="append", schema_mode="merge")
    with pytest.raises(DataError, match="allowed is null in a trajectory"):
        from_delta(place, 3)


def test_what_spark_wrote_is_read(lake: Lake) -> None:
    start = datetime(2025, 1, 6, tzinfo=UTC)
    rows = [
        (f"u{user}", start.date().replace(day=6 + step), step, [1.0 * user, 2.0], 1, 1.0, 0.5,
         None if step else 0.5, False, start.replace(day=6 + step), "all", "f", None)
        for user in range(20) for step in range(4)
    ]  # fmt: skip
    frame = lake.spark.createDataFrame(rows, TABLES["trajectories"].schema)
    lake.overwrite("trajectories", frame.repartition(3))
    version = lake.version("trajectories")
    held = from_delta(lake.location("trajectories"), version)
    assert len(held) == 80
    assert held.has_next.sum() == 60
    np.testing.assert_array_equal(np.isnan(held.propensities), np.arange(80) % 4 > 0)
