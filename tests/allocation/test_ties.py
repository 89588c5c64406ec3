"""No money goes where it does nothing: of levels of equal value the cheapest, at every size."""

import math
from typing import Any

import numpy as np
import pytest

from bcrlsp.allocation import Budget, Settings, solve

PASSES = Settings(direct_users=50, sample_users=150, core_users=200)


def test_the_example_of_the_documentation() -> None:
    found = solve([[0, 1], [0, 0]], [[0, 1], [0, 1]], [Budget("b", 5)])
    assert found.levels.tolist() == [1, 0]
    assert found.spend == {"b": 1.0}


@pytest.mark.parametrize("n", [1, 12, 41, 300, 3000, 20_000])
@pytest.mark.parametrize("limit", [math.inf, 1e9, 0.8, 0.2])
@pytest.mark.parametrize("kind", ["one", "groups", "count", "floor"])
def test_users_without_uplift_get_nothing(n: int, limit: float, kind: str) -> None:
    rng = np.random.default_rng(n)
    uplift = np.maximum(rng.normal(size=(n, 1)), 0.0) * np.array([0.0, 0.5, 0.8, 1.0])
    value, cost = 3.0 + uplift, np.tile([0.0, 0.5, 1.0, 2.0], (n, 1))
    asked = [Budget("total", limit * n)]
    if kind == "groups":
        asked.append(Budget("half", 0.3 * limit * n, groups=[0]))
    if kind == "count":
        asked.append(Budget("top", 1.0 * n, levels=[3], measure="count"))
    if kind == "floor":
        asked.append(Budget("reach", math.inf, levels=[0, 1, 2, 3], measure="count", minimum=n))
    found = solve(value, cost, asked, groups=np.arange(n) % 2, settings=PASSES)
    none = uplift[:, 3] == 0.0
    assert not found.levels[none].any()


@pytest.mark.parametrize("n", [2, 30, 700, 15_000])
def test_values_that_differ_by_rounding_are_equal(n: int) -> None:
    value = np.tile([0.3, 0.1 + 0.2, 0.3], (n, 1))
    found = solve(value, np.tile([0.0, 1.0, 0.0], (n, 1)), [Budget("total", 1.0 * n)])
    assert not found.levels.any()
    single = value.astype(np.float32)
    single[:, 1] = np.nextafter(single[:, 0], np.float32(1.0))
    found = solve(single, np.tile([0.0, 1.0, 0.0], (n, 1)), [Budget("total", 1.0 * n)])
    assert not found.levels.any()
    assert found.value == pytest.approx(math.fsum(single[:, 0].astype(float)), rel=1e-12)


@pytest.mark.parametrize("n", [1, 10, 60, 900, 12_000])
def test_dominated_levels_are_never_chosen(n: int) -> None:
    """Level 2 is worth what level 1 is and costs more; level 3 less and costs more."""
    rng = np.random.default_rng(n)
    lift = np.round(rng.random(n), 1)
    value = np.column_stack([np.zeros(n), lift, lift, lift / 2])
    cost = np.tile([0.0, 1.0, 1.5, 2.0], (n, 1))
    for limit in (0.0, 0.3 * n, 0.7 * n + 0.5, 1e6):
        for groups in (None, np.arange(n) % 3):
            asked = [Budget("total", limit), Budget("top", float(n), levels=[2], measure="count")]
            found = solve(value, cost, asked, groups=groups, settings=PASSES)
            assert set(np.unique(found.levels)) <= {0, 1}


def test_equal_levels_the_lower_one() -> None:
    found = solve(np.ones((50, 4)), np.ones((50, 4)), [Budget("total", 60.0)])
    assert not found.levels.any()


def test_money_above_a_floor_is_not_spent_for_nothing() -> None:
    value, cost = np.zeros((30, 3)), np.tile([0.0, 1.0, 2.0], (30, 1))
    found = solve(value, cost, [Budget("least", 100.0, minimum=10.0)])
    assert found.spend == {"least": 10.0}


@pytest.mark.parametrize("n", [5, 500, 6000])
def test_nothing_is_worth_anything(n: int) -> None:
    cost: Any = np.tile([0.0, 1.0, 2.0], (n, 1))
    found = solve(np.zeros((n, 3)), cost, [Budget("total", 10.0)])
    assert (found.gap, found.value, found.bound, found.spend["total"]) == (0.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize("n", [41, 100, 1000, 12000])
@pytest.mark.parametrize("steps", [1, 10])
def test_of_users_who_gain_the_same_the_cheap_ones_are_sent(n: int, steps: int) -> None:
    """A limit on how many are sent: the best take it, and of equals those who cost least."""
    rng = np.random.default_rng(n + steps)
    cost = np.round(np.sort(rng.random((n, 3)), axis=1), 2)
    value = np.ceil(np.sort(rng.random((n, 3)), axis=1) * steps)
    cost[:, 0] = value[:, 0] = 0.0
    sends = Budget("sends", n // 3, levels=[1, 2], measure="count")
    best = value[:, 1:].max(axis=1)
    paid = np.where(value[:, 1] >= value[:, 2], cost[:, 1], cost[:, 2])
    order = np.lexsort([paid, -best])[: n // 3]
    for budgets in ([sends], [sends, Budget("money", 1e9)]):
        levels = solve(value, cost, budgets).levels
        assert value[np.arange(n), levels].sum() == best[order].sum()
        spent = cost[np.arange(n), levels].sum()
        assert spent == pytest.approx(paid[order].sum(), rel=1e-9)


@pytest.mark.parametrize("n", [41, 1000])
def test_a_limit_without_a_price_is_used_by_those_who_save_most(n: int) -> None:
    """Level 2 is worth as much as level 1 and costs 2, of every second user 50."""
    cost = np.column_stack([np.zeros(n), np.ones(n), np.where(np.arange(n) % 2, 2.0, 50.0)])
    few = Budget("few", n // 2, levels=[1], measure="count")
    result = solve(np.tile([0.0, 1.0, 1.0], (n, 1)), cost, [few])
    # One more user than there is room for has a dear level 2 where n is odd.
    assert result.value == n
    dear = n - n // 2
    assert cost[np.arange(n), result.levels].sum() == n // 2 + 2 * (n - dear) + 50 * (n % 2)


@pytest.mark.parametrize("dearest", [1e5, 1e9])
def test_one_dear_user_hides_no_difference_between_the_others(dearest: float) -> None:
    n = 1000
    cost = np.column_stack([np.zeros(n), np.where(np.arange(n) % 2, 1.0, 5.0)])
    cost[0, 1] = dearest
    sends = Budget("sends", 499, levels=[1], measure="count")
    levels = solve(np.tile([0.0, 1.0], (n, 1)), cost, [sends]).levels
    assert cost[np.arange(n), levels].sum() == 499
