"""What must hold of any solution of solve, at sizes that take several passes."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reference_lp import linear_optimum

from bcrlsp.allocation import Budget, Settings, solve

PASSES = Settings(direct_users=50, sample_users=150, core_users=200)


def market(n: int, seed: int, levels: int = 5) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(seed)
    amount = np.arange(levels)
    lift = rng.gamma(2.0, 0.5, (n, 1)) * (1 - np.exp(-amount / rng.uniform(0.5, 4, (n, 1))))
    value = rng.random((n, 1)) + lift
    return value, amount * rng.uniform(0.3, 1.0, (n, 1)), rng.integers(0, 8, n)


def many_budgets(n: int) -> list[Budget]:
    return [
        Budget("total", 0.6 * n),
        *(Budget(f"group {g}", (0.04 + 0.01 * g) * n, groups=[g]) for g in range(8)),
        Budget("half", 0.25 * n, groups=[0, 1, 2, 3]),
    ]


def mixed_budgets(n: int) -> list[Budget]:
    return [
        Budget("total", 0.6 * n),
        Budget("top", 0.02 * n, levels=[4], measure="count"),
        Budget("reach", math.inf, levels=[1, 2, 3, 4], measure="count", minimum=0.7 * n),
        Budget("low", math.inf, groups=[0], minimum=0.08 * n),
    ]


@pytest.mark.parametrize("budgets", [many_budgets, mixed_budgets])
def test_passes_reach_the_optimum_of_the_whole_program(budgets: Any) -> None:
    value, cost, groups = market(1200, seed=1)
    found = solve(value, cost, budgets(1200), groups=groups, settings=PASSES)
    optimum = linear_optimum(value, cost, budgets(1200), groups)
    assert optimum is not None
    assert found.bound >= optimum - 1e-9
    assert found.bound == pytest.approx(optimum, rel=1e-8)
    assert found.certificate.lp_gap < 1e-8
    assert found.gap < 1e-3


@pytest.mark.parametrize("budgets", [many_budgets, mixed_budgets])
@pytest.mark.parametrize("ties", [False, True])
def test_order_and_partitions_of_users_change_nothing(budgets: Any, ties: bool) -> None:
    n = 1500
    value, cost, groups = market(n, seed=2)
    if ties:
        value, cost = np.round(value, 1), np.round(cost * 2) / 2
    ids = [f"u{i}" for i in range(n)]
    first = solve(value, cost, budgets(n), groups=groups, user_ids=ids, settings=PASSES)
    order = np.random.default_rng(0).permutation(n)
    again = solve(
        value[order], cost[order], budgets(n), groups=groups[order],
        user_ids=[ids[i] for i in order], partitions=7, settings=PASSES,
    )  # fmt: skip
    np.testing.assert_array_equal(first.levels[order], again.levels)
    assert first.certificate == again.certificate


@settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck), derandomize=True)
@given(
    n=st.integers(300, 2000),
    limit=st.floats(0.0, 3.0),
    kinds=st.integers(1, 3),
    step=st.sampled_from([0.1, 0.5, 1.0, 0.3]),
)
def test_equal_users_fill_the_budget_to_within_one_step(
    n: int, limit: float, kinds: int, step: float
) -> None:
    kind = np.arange(n) % kinds
    cost = np.outer(np.ones(n), np.arange(4)) * step
    value = np.sqrt(cost) * (1.0 + kind[:, None])
    found = solve(value, cost, [Budget("total", limit * n * step)], settings=PASSES)
    spent = math.fsum(cost[np.arange(n), found.levels])
    assert spent <= limit * n * step
    full = min(limit * n * step, 3 * n * step)
    assert spent > full - step * (1 + 1e-6)


def test_ten_thousand_copies_of_one_user_are_told_apart_by_their_ids() -> None:
    n = 10_000
    value, cost = np.tile([0.0, 1.0, 1.5], (n, 1)), np.tile([0.0, 1.0, 2.0], (n, 1))
    found = solve(value, cost, [Budget("total", 3_333.0)], settings=PASSES)
    assert np.bincount(found.levels, minlength=3).tolist() == [6667, 3333, 0]
    # The hash of the id decides, not its place: the chosen lie everywhere.
    assert 0.25 < (found.levels[: n // 2] > 0).mean() < 0.42
    assert found.passes <= 8


def test_budgets_that_do_not_bind_have_no_price() -> None:
    value, cost, _ = market(500, seed=3)
    found = solve(value, cost, [Budget("total", 1e9)], settings=PASSES)
    assert found.prices == {"total": 0.0}
    np.testing.assert_array_equal(found.levels, np.argmax(value, axis=1))
    assert found.gap < 1e-12


def test_no_budgets_at_all() -> None:
    value, cost, _ = market(100, seed=4)
    found = solve(value, cost, [])
    np.testing.assert_array_equal(found.levels, np.argmax(value, axis=1))
    assert found.value == pytest.approx(value.max(axis=1).sum())


def test_a_zero_budget_gives_what_costs_nothing() -> None:
    value, cost, _ = market(700, seed=5)
    found = solve(value, cost, [Budget("total", 0.0)], settings=PASSES)
    assert not found.levels.any()
    assert found.spend == {"total": 0.0}


def test_a_warm_start_is_as_good() -> None:
    value, cost, groups = market(2000, seed=6)
    asked = many_budgets(2000)
    cold = solve(value, cost, asked, groups=groups, settings=PASSES)
    warm = solve(
        value, cost, asked, groups=groups, settings=PASSES,
        warm_start={name: price * 1.02 for name, price in cold.prices.items()},
    )  # fmt: skip
    # With many budgets near ties may be rounded otherwise; no worse than the certified gaps.
    assert warm.value <= cold.bound
    assert cold.value <= warm.bound
    assert max(cold.gap, warm.gap) < 1e-3
    assert all(warm.spend[budget.name] <= budget.limit for budget in asked)
    assert warm.passes <= cold.passes


def test_float32_scores_are_solved_as_they_are() -> None:
    value, cost, groups = market(900, seed=7)
    value, cost = value.astype(np.float32), cost.astype(np.float32)
    single = solve(value, cost, many_budgets(900), groups=groups, settings=PASSES)
    written = cost.astype(str).astype(float)
    double = solve(value.astype(float), written, many_budgets(900), groups=groups, settings=PASSES)
    np.testing.assert_array_equal(single.levels, double.levels)
    assert single.certificate == double.certificate
