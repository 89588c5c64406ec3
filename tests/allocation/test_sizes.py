"""Values and costs of any size, groups of any kind, prices from anywhere to begin at."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bcrlsp.allocation import Budget, Settings, solve

PASSES = Settings(direct_users=50, sample_users=150, core_users=200)


def market(n: int, seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    return rng.random((n, 4)).cumsum(axis=1), np.arange(4) * rng.uniform(0.3, 1.0, (n, 1))


@pytest.mark.parametrize("n", [9, 100, 629, 6000])
@pytest.mark.parametrize("far", [-1e6, -1e9, -1e15, -1e100, -math.inf])
def test_levels_forbidden_by_their_value(n: int, far: float) -> None:
    value, cost = market(n)
    ruled_out = np.random.default_rng(1).random((n, 4)) < 0.3
    ruled_out[:, 0] = False
    asked = [Budget("total", 0.4 * n)]
    known = solve(value, cost, asked, allowed=~ruled_out)
    found = solve(np.where(ruled_out, far, value), cost, asked)
    assert not ruled_out[np.arange(n), found.levels].any()
    assert found.value == pytest.approx(known.value, rel=1e-6)
    assert found.bound == pytest.approx(known.bound, rel=1e-6)
    assert 0.0 <= found.gap <= known.gap + 1e-6
    worth = math.fsum(np.where(ruled_out, far, value)[np.arange(n), found.levels])
    assert found.value == pytest.approx(worth, rel=1e-12)


@pytest.mark.parametrize("n", [9, 400])
def test_a_forbidden_level_that_the_budget_asks_for(n: int) -> None:
    value, cost = market(n)
    value[0, 0], cost[:, 0] = -1e15, 0.0
    found = solve(value, cost, [Budget("total", 0.0)])
    assert not found.levels.any()
    assert found.value == pytest.approx(-1e15)


@pytest.mark.parametrize("common", [1e6, 1e9, -1e9])
@pytest.mark.parametrize("n", [10, 500, 5000])
def test_a_large_part_in_common_changes_nothing(n: int, common: float) -> None:
    value, cost = market(n)
    value = np.round(value, 3)
    asked = [Budget("total", 0.4 * n)]
    plain, found = (solve(held, cost, asked) for held in (value, value + common))
    assert found.value - n * common == pytest.approx(plain.value, rel=1e-4)
    assert found.gap * abs(found.bound) == pytest.approx(plain.gap * plain.bound, abs=1e-4 * n)


@pytest.mark.parametrize("apart", [1e11, 1e15])
@pytest.mark.parametrize("n", [10, 600, 6000])
def test_costs_of_groups_far_apart(n: int, apart: float) -> None:
    """Each group has a budget of its own: it gets what it gets alone."""
    value, cost = market(n)
    group = np.arange(n) % 2
    scale = np.where(group == 1, apart, 1.0)[:, None]
    asked = [Budget("a", 0.2 * n, groups=[0]), Budget("b", 0.3 * n * apart, groups=[1])]
    found = solve(value, cost * scale, asked, groups=group, settings=PASSES)
    alone = [
        solve(value[group == g], (cost * scale)[group == g], [Budget("x", asked[g].limit)])
        for g in (0, 1)
    ]
    assert found.value == pytest.approx(sum(part.value for part in alone), rel=2e-4)
    assert found.bound >= found.value
    assert found.gap < (0.2 if n == 10 else 2e-3)


@pytest.mark.parametrize("n", [10, 150, 700, 9000])
@pytest.mark.parametrize("price", [1e12, 1e300, -3.0, 0.0, 1e-300])
def test_a_warm_start_from_anywhere_is_no_worse(n: int, price: float) -> None:
    value, cost = market(n)
    asked = [Budget("total", 0.4 * n), Budget("half", 0.15 * n, groups=[0])]
    given: dict[str, Any] = {"groups": np.arange(n) % 2, "settings": PASSES}
    cold = solve(value, cost, asked, **given)
    warm = solve(value, cost, asked, warm_start={"total": price}, **given)
    assert warm.bound == pytest.approx(cold.bound, rel=1e-6)
    assert warm.value == pytest.approx(cold.value, rel=1e-3)


@pytest.mark.parametrize(
    "groups",
    [
        [None, "x", "y", "x"],
        np.array([None, "x", 3, "x"], dtype=object),
        [float("nan"), "x", "y", "x"],
        pd.Series([None, "x", "y", "x"]),
        pd.Categorical([None, "x", "y", "x"]),
        pd.array([pd.NA, "x", "y", "x"], dtype="string"),
    ],
)
def test_users_without_a_group_are_in_no_group_budget(groups: Any) -> None:
    value, cost = np.tile([0.0, 1.0], (4, 1)), np.tile([0.0, 1.0], (4, 1))
    found = solve(value, cost, [Budget("x", 1.0, groups=["x"]), Budget("all", 9.0)], groups=groups)
    assert found.levels[0] == 1
    assert found.spend == {"x": 1.0, "all": 3.0}


def test_a_group_without_users_spends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    value, cost = market(20)
    found = solve(value, cost, [Budget("x", 1.0, groups=["gone"])], groups=["here"] * 20)
    assert found.spend == {"x": 0.0}
    assert "names group 'gone', which no user has in groups" in caplog.text


def test_arrays_of_any_layout_and_type() -> None:
    value, cost = market(60)
    value, cost = np.round(value, 2), np.round(cost, 2)
    asked = [Budget("total", 20.0)]
    known = solve(value, cost, asked).levels.tolist()
    for held in (np.asfortranarray, np.ndarray.tolist, pd.DataFrame, lambda x: x.astype(object)):
        assert solve(held(value), held(cost), asked).levels.tolist() == known
    wide = np.repeat(value, 2, axis=1)[:, ::2], np.repeat(cost, 2, axis=1)[:, ::2]
    assert solve(*wide, asked).levels.tolist() == known
