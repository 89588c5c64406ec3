"""What is no table of trajectories, or no argument of `train`, is one line."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from bcrlsp.errors import UserError
from bcrlsp.learning import Settings, train
from bcrlsp.learning.reading import from_frame
from bcrlsp.policies import load_policy, save_policy

N = 30
QUICK = Settings(algorithm="dqn", updates=1, iteration=1, batch_size=4, hidden=(4,))
GIVEN: dict[str, Any] = {"feature_names": ["a", "b"], "feature_set": "x", "amounts": [0, 1]}


def table(**columns: Any) -> pa.Table:
    """Ten users of three periods each."""
    held = {
        "user_id": [f"u{i // 3}" for i in range(N)],
        "period": [dt.date(2025, 1, 1 + i % 3) for i in range(N)],
        "step": [i % 3 for i in range(N)],
        "state": [[float(i), 1.0] for i in range(N)],
        "level": [i % 2 for i in range(N)],
        "reward": [1.0] * N,
        "cost": [0.0] * N,
        "propensity": [0.5] * N,
        "terminal": [i % 3 == 2 for i in range(N)],
    }
    return pa.table({**held, **columns})


FALLING = [dt.date(2025, 1, 9 - i % 3) for i in range(N)]
TABLES: dict[str, tuple[dict[str, Any], str]] = {
    "terminal first": (
        {"terminal": [i % 3 == 0 for i in range(N)]},
        "row 0 of a user's trajectory is terminal but another row of the user follows",
    ),
    "terminal before a gap": (
        {"terminal": [i % 3 == 0 for i in range(N)], "step": [2 * (i % 3) for i in range(N)]},
        "is terminal but another row",
    ),
    "falling periods": ({"period": FALLING}, "user u0 has step 1 in no later period"),
    "falling starts": (
        {"period_start": [dt.datetime(2025, 1, 9 - i % 3) for i in range(N)]},
        "user u0 has step 1 in no later period",
    ),
    "one period": ({"period": FALLING[:1] * N}, "in no later period"),
    "text period": ({"period": ["x"] * N}, "period is string .*allowed: dates"),
    "text reward": ({"reward": ["x"] * N}, "reward holds text; allowed: numbers"),
    "number as text": ({"cost": ["1"] * N}, "cost holds text"),
    "list of rewards": ({"reward": [[1.0]] * N}, "reward is not an array of numbers"),
    "text level": ({"level": ["1"] * N}, "level holds text"),
    "text state": ({"state": ["x"] * N}, "state is string .*allowed: lists of numbers"),
    "texts in the state": ({"state": [["1"]] * N}, "state holds text"),
    "empty state": ({"state": pa.array([[]] * N, pa.list_(pa.float32()))}, "state is empty"),
    "flat state": ({"state": [1.0] * N}, "state is double"),
    "lists of users": ({"user_id": [["a"]] * N}, "user_id is list"),
    "flat masks": ({"allowed": [True] * N}, "allowed is bool"),
}


@pytest.mark.parametrize("name", TABLES)
def test_tables(name: str) -> None:
    columns, line = TABLES[name]
    with pytest.raises(UserError, match=line) as raised:
        from_frame(table(**columns))
    assert "\n" not in str(raised.value)


def test_a_column_twice() -> None:
    held = table()
    with pytest.raises(UserError, match="the column step twice"):
        from_frame(held.append_column("step", held["step"]))


def test_periods_are_not_needed() -> None:
    whole = from_frame(table())
    for held in (
        table().drop_columns(["period"]),
        table(period=pa.array([None] * N, pa.date32())),
        table().take(np.random.default_rng(0).permutation(N)),
    ):
        np.testing.assert_array_equal(from_frame(held).states, whole.states)


LOG = from_frame(table())
CALLS: dict[str, tuple[Callable[[], object], str]] = {
    "no names": (lambda: train(LOG, QUICK, **{**GIVEN, "feature_names": None}), "feature_names"),
    "a dict": (lambda: train(LOG, {}, **GIVEN), "settings is {}; allowed: bcrlsp.learning"),  # type: ignore[arg-type]
    "no transitions": (lambda: train({}, QUICK, **GIVEN), "transitions is a dict"),  # type: ignore[arg-type]
    "texts": (lambda: train(LOG, QUICK, **{**GIVEN, "amounts": ["0", "1"]}), "amounts"),
    "masked": (
        lambda: train(LOG, QUICK, **{**GIVEN, "amounts": np.ma.masked_equal([0, 1], 1)}),
        "amounts",
    ),
    "folder": (lambda: train(LOG, QUICK, **GIVEN, checkpoints=5), "checkpoints 5"),  # type: ignore[arg-type]
    **{
        f"changed {name}": (
            lambda name=name, value=value: train(  # type: ignore[misc]
                LOG, QUICK.model_copy(update={name: value}), **GIVEN
            ),
            f"settings.{name}",
        )
        for name, value in {
            "gamma": "a", "updates": 0, "hidden": (0,), "price": np.inf, "learning_rate": np.nan,
        }.items()
    },
    "no place": (lambda: load_policy(None), "policy's place None is no text"),  # type: ignore[arg-type]
    "a number": (lambda: load_policy(5), "policy's place 5 is no text and no path"),  # type: ignore[arg-type]
    "no policy": (lambda: save_policy(None, "x"), "policy is a NoneType"),  # type: ignore[arg-type]
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_calls(name: str) -> None:
    call, line = CALLS[name]
    with pytest.raises(UserError, match=line) as raised:
        call()
    assert "\n" not in str(raised.value)


def test_paths_and_prices(tmp_path: Path) -> None:
    policy = train(LOG, QUICK, **GIVEN, checkpoints=tmp_path / "going").policy
    assert save_policy(policy, tmp_path / "p") == str(tmp_path / "p")
    again, states = load_policy(tmp_path / "p"), np.zeros((2, 2), np.float32)
    np.testing.assert_array_equal(again.q_values(states), policy.q_values(states))
    with pytest.raises(UserError, match="digest is 5"):
        load_policy(tmp_path / "p", digest=5)  # type: ignore[arg-type]
    for price in ("a", None, [1], 1j, np.inf, np.nan, -1):
        with pytest.raises(UserError, match="price"):
            again.probabilities(states, price=price)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="temperature 'a'"):
        again.probabilities(states, temperature="a")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="states has masked entries"):
        again.q_values(np.ma.masked_equal(states, 0))


def test_ids_that_are_categories_are_their_values_in_every_part_of_a_table() -> None:
    """Each part numbers its categories anew: the second has the same users in another order."""
    plain = table()
    parts = [plain.slice(0, 15), plain.slice(15).take(np.arange(15)[::-1]), plain.slice(0, 0)]
    encoded = [
        part.set_column(0, "user_id", part["user_id"].combine_chunks().dictionary_encode())
        for part in parts
    ]
    expected, found = from_frame(plain), from_frame(pa.concat_tables(encoded))
    np.testing.assert_array_equal(found.states, expected.states)
    np.testing.assert_array_equal(found.users, expected.users)
    np.testing.assert_array_equal(found.has_next, expected.has_next)


def test_ids_that_are_views_of_texts_are_texts() -> None:
    plain = table()
    views = plain.set_column(0, "user_id", plain["user_id"].cast(pa.string_view()))
    np.testing.assert_array_equal(from_frame(views).states, from_frame(plain).states)


def test_a_state_of_fixed_width_is_a_state() -> None:
    plain = table()
    fixed = pa.array(plain["state"].to_pylist(), pa.list_(pa.float64(), 2))
    place = plain.column_names.index("state")
    found = from_frame(plain.set_column(place, "state", fixed))
    np.testing.assert_array_equal(found.states, from_frame(plain).states)
