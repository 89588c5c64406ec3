"""Arrays that a caller gives: taken where they hold the same values, else refused in one line."""

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from known_mdp import UNIFORM, KnownMDP
from test_transitions import ROWS, row, table

from bcrlsp.errors import DataError
from bcrlsp.learning.reading import from_frame

LOG = KnownMDP(2).log(UNIFORM, users=4, steps=5, seed=1, masks=True)
N = len(LOG)


def with_entry(name: str, value: Any, kind: str = "f8") -> np.ndarray:
    """The log's array as another type, with one entry changed: row 7."""
    array = getattr(LOG, name).astype(kind)
    array[7] = value
    return array


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"levels": with_entry("levels", 1.7)}, r"level is 1\.7 in row 7; allowed: whole numbers"),
        ({"levels": with_entry("levels", -0.5)}, r"level is -0\.5 in row 7"),
        ({"levels": with_entry("levels", np.nan)}, "level is nan in row 7"),
        ({"levels": with_entry("levels", np.inf)}, "level is inf in row 7"),
        ({"levels": with_entry("levels", 1e300)}, r"level is 1e\+300 in row 7"),
        ({"levels": with_entry("levels", -1, "i4")}, "level is -1 in row 7; allowed: 0 to 127"),
        ({"levels": with_entry("levels", 128, "i4")}, "level is 128 in row 7; allowed: 0 to 127"),
        ({"levels": with_entry("levels", 2**40, "u8")}, "level is 1099511627776 in row 7"),
        ({"levels": np.ones(N, bool)}, "level is an array of bool"),
        ({"levels": np.full(N, "1")}, "level is an array of <U1; allowed: numbers"),
        ({"levels": np.full(N, None)}, "level is nan in row 0"),
        ({"levels": np.full(N, {})}, "level is not an array of numbers"),
        ({"levels": np.ones(N, complex)}, "level is an array of complex128"),
        ({"levels": np.ones((N, 1))}, r"levels of shape \(20, 1\); allowed: one entry a row"),
        ({"levels": 1}, r"levels of shape \(\)"),
        ({"rewards": with_entry("rewards", np.nan)}, "reward is nan in row 7"),
        ({"rewards": with_entry("rewards", -np.inf)}, "reward is -inf in row 7"),
        ({"rewards": with_entry("rewards", 1e39)}, r"reward is 1e\+39 in row 7; allowed: finite"),
        ({"costs": with_entry("costs", np.nan)}, "cost is nan in row 7"),
        ({"costs": with_entry("costs", -0.01)}, r"cost is -0\.01 in row 7; .* from 0"),
        ({"propensities": with_entry("propensities", 0)}, r"propensity is 0\.0 in row 7; .*above"),
        ({"propensities": with_entry("propensities", -0.1)}, r"propensity is -0\.1 in row 7"),
        ({"propensities": with_entry("propensities", 1.01)}, r"propensity is 1\.01 in row 7"),
        ({"propensities": with_entry("propensities", np.inf)}, "propensity is inf in row 7"),
        ({"propensities": with_entry("propensities", 1e-60)}, "propensity is 1e-60 in row 7"),
        ({"terminal": with_entry("terminal", 2, "i4")}, "terminal is 2 in row 7; allowed: true"),
        ({"has_next": with_entry("has_next", 0.5)}, r"has_next is 0\.5 in row 7"),
        ({"has_next": with_entry("has_next", np.nan)}, "has_next is nan in row 7"),
        ({"terminal": np.ones(N, bool)}, "row 0 is terminal and has a next step"),
        ({"has_next": np.ones(N, bool)}, "row 4 is its user's last and has a next step; sort"),
        ({"users": LOG.users[::-1]}, "users are not offsets of 20 rows; allowed: from 0 to 20"),
        ({"users": LOG.users[1:]}, "users are not offsets of 20 rows"),
        ({"users": LOG.users[:-1]}, "users are not offsets of 20 rows"),
        ({"users": np.array([], int)}, "users are not offsets of 20 rows"),
        ({"users": LOG.users + 0.5}, r"users is 0\.5 in row 0; allowed: whole numbers"),
        ({"users": np.repeat(["a", "b"], 10)}, "users is an array of <U1"),
        ({"allowed": np.zeros((N, 3))}, "row 0 allows no level; allow at least level 0"),
        ({"allowed": np.full((N, 3), 2)}, "allowed is 2 in row 0, 0; allowed: true and false"),
        ({"allowed": np.ones(N)}, r"allowed of shape \(20,\); allowed: \(n, a\)"),
        ({"states": LOG.states[:, 0]}, r"states of shape \(20,\); allowed: \(n, d\)"),
        ({"states": np.full((N, 2), "x")}, "states is an array of <U1"),
        ({"states": np.full((N, 2), object())}, "states is not an array of numbers"),
        ({"states": LOG.states[1:]}, "transitions of different lengths"),
        ({"rewards": LOG.rewards[1:]}, "transitions of different lengths"),
        ({"rewards": "many"}, "reward is an array of <U4"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(changes: dict, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        replace(LOG, **changes)
    assert "\n" not in str(caught.value)


@given(
    st.sampled_from(["f8", "f4", "i8", "u1", "O", "f2"]),
    st.sampled_from(["levels", "terminal", "has_next", "users", "allowed"]),
)
def test_other_types_with_the_same_values_are_the_same_transitions(kind: str, name: str) -> None:
    array = getattr(LOG, name)
    held = replace(LOG, **{name: array.astype(kind)})
    assert getattr(held, name).dtype == array.dtype
    np.testing.assert_array_equal(getattr(held, name), array)
    listed = replace(LOG, **{name: array.tolist()})
    np.testing.assert_array_equal(getattr(listed, name), array)


def test_numbers_of_other_types_become_float32() -> None:
    held = replace(
        LOG,
        states=LOG.states.astype(int),
        rewards=LOG.rewards.tolist(),
        propensities=np.full(N, 1 + 1e-9),
    )
    np.testing.assert_array_equal(held.states, LOG.states)
    np.testing.assert_array_equal(held.rewards, LOG.rewards)
    assert (held.propensities == 1).all()
    assert held.states.dtype == held.rewards.dtype == held.propensities.dtype == np.float32
    far = replace(LOG, states=np.full((N, 2), 1e300))
    assert np.isfinite(far.states).all()


@pytest.mark.parametrize(
    ("changed", "kinds", "message"),
    [
        ({"level": 1.7}, {"level": pa.float64()}, r"level 1\.7 was logged; allowed: whole numbers"),
        ({"terminal": 2}, {"terminal": pa.int32()}, "terminal 2 was logged"),
        ({"propensity": 1.5}, {}, r"propensity 1\.5 was logged"),
        ({"propensity": 0.0}, {}, r"propensity 0\.0 was logged"),
        ({"cost": -1.0}, {}, r"cost is -1\.0"),
        ({"reward": 1e300}, {}, r"reward is not finite in a trajectory: 1e\+300"),
        ({"step": 1.5}, {"step": pa.float64()}, r"step 1\.5 was logged"),
    ],
)
def test_a_table_is_held_to_the_same(changed: dict, kinds: dict, message: str) -> None:
    schema = table(ROWS).schema
    for name, kind in kinds.items():
        schema = schema.set(schema.get_field_index(name), pa.field(name, kind))
    rows = [dict(each) for each in (ROWS[0], row("b", 1) | changed, *ROWS[2:])]
    for each in rows:
        if "terminal" in kinds:
            each["terminal"] = int(each["terminal"])
    with pytest.raises(DataError, match=message):
        from_frame(pa.Table.from_pylist(rows, schema))


def test_whole_levels_of_a_float_column_are_read() -> None:
    schema = table(ROWS).schema
    schema = schema.set(schema.get_field_index("level"), pa.field("level", pa.float64()))
    rows = [{**each, "terminal": bool(each["terminal"])} for each in ROWS]
    held = from_frame(pa.Table.from_pylist(rows, schema))
    np.testing.assert_array_equal(held.levels, from_frame(table(rows)).levels)
