"""solve against HiGHS, on 2,760 small instances of every kind of budget."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reference_lp import consumption, has_integral_choice, linear_optimum

from bcrlsp.allocation import Budget, InfeasibleBudgetError, Solution, solve
from bcrlsp.allocation.settings import Settings

TINY = Settings(direct_users=8, sample_users=16, core_users=24)
QUIET = settings(
    deadline=None, suppress_health_check=list(HealthCheck), max_examples=12, derandomize=True
)


def instance(rng: np.random.Generator, most: int) -> dict[str, Any]:
    """Users, levels, groups and budgets of every kind, with ties, zeros and degenerate rows."""
    n, levels = int(rng.integers(1, most)), int(rng.integers(1, 6))
    digits = int(rng.integers(0, 4))
    value = np.round(rng.normal(size=(n, levels)) + rng.integers(-1, 2), digits)
    cost = np.round(rng.random((n, levels)) * 3, int(rng.integers(0, 3)))
    kind = rng.integers(0, 6)
    if kind == 0:
        cost = np.sort(cost, axis=1)
    if kind == 1:
        value[:], cost[:] = value[0], cost[0]
    if kind == 2:
        cost[:, rng.integers(0, levels)] = 0.0
    if kind == 3:
        cost[:, 0] = 0.0
        value[:, 0] = 0.0
    if kind == 4:
        cost[:] = cost[:, :1]
    groups = {
        "segment": rng.choice(["a", "b", "c"], n),
        "region": rng.integers(0, 2, n),
    }
    allowed = None
    if rng.random() < 0.3:
        allowed = rng.random((n, levels)) < 0.7
        allowed[np.arange(n), rng.integers(0, levels, n)] = True
    typical = float(cost.mean()) * n
    some = [str(groups["segment"][0])]
    possible = [
        Budget("total", typical * rng.random() * 1.5),
        Budget("group", typical * rng.random() * 0.6, groups={"segment": some}),
        Budget("nested", typical * rng.random() * 0.5,
               groups={"segment": some, "region": [int(groups["region"][0])]}),
        Budget("top", float(rng.integers(0, n + 1)), levels=[levels - 1], measure="count"),
        Budget("some", float(rng.integers(0, n + 1)), levels=range(levels // 2, levels),
               groups={"region": [int(groups["region"][-1])]}, measure="count"),
        Budget("dear", typical * rng.random(), levels=range((levels + 1) // 2, levels) or [0]),
        Budget("spent", math.inf, minimum=typical * rng.random() * 0.7),
        Budget("reach", math.inf, levels=range(1, levels) or [0], measure="count",
               minimum=float(rng.integers(0, n + 1)) * 0.7),
        Budget("band", typical * 1.2, groups={"segment": some}, minimum=typical * 0.05),
        Budget("nothing", 0.0, levels=[0]),
        Budget("loose", 1e9),
    ]  # fmt: skip
    chosen = [b for b in possible if rng.random() < 0.3] or possible[:1]
    return {
        "value": value,
        "cost": cost,
        "budgets": chosen,
        "groups": groups,
        "allowed": allowed,
    }


def check(case: dict[str, Any], how: Settings | None) -> bool:
    """Everything that must hold of one instance; whether it has a solution."""
    args = {"groups": case["groups"], "allowed": case["allowed"]}
    optimum = linear_optimum(case["value"], case["cost"], case["budgets"], **args)
    refused = None
    try:
        found = solve(case["value"], case["cost"], case["budgets"], settings=how, **args)
    except InfeasibleBudgetError as error:
        refused = error.budget
    if refused is not None:
        assert refused in [b.name for b in case["budgets"]]
        # Fractions of users may keep the budgets: whole ones must not.
        assert optimum is None or not has_integral_choice(
            case["value"], case["cost"], case["budgets"], **args
        )
        return False
    assert optimum is not None
    check_solution(case, found, optimum)
    return True


def check_solution(case: dict[str, Any], found: Solution, optimum: float) -> None:
    scale = 1.0 + np.abs(case["value"]).sum()
    everyone = np.arange(len(found.levels))
    if case["allowed"] is not None:
        assert case["allowed"][everyone, found.levels].all()
    worth = math.fsum(case["value"][everyone, found.levels])
    assert found.value == pytest.approx(worth, abs=1e-9 * scale)
    assert found.bound >= optimum - 1e-9 * scale
    assert found.bound >= worth
    assert optimum >= worth - 1e-9 * scale
    assert found.bound == pytest.approx(optimum, abs=1e-6 * scale)
    for budget in case["budgets"]:
        used = consumption(budget, case["cost"], case["groups"])[everyone, found.levels]
        assert math.fsum(used) <= budget.limit
        assert math.fsum(used) >= (budget.minimum or 0.0)
        assert found.spend[budget.name] == pytest.approx(math.fsum(used), rel=1e-9, abs=1e-9)
        assert found.spend[budget.name] <= budget.limit


@QUIET
@given(st.integers(0, 2**31))
def test_small_instances_solved_whole(seed: int) -> None:
    rng = np.random.default_rng(seed)
    feasible = [check(instance(rng, 14), None) for _ in range(40)]
    assert any(feasible)


@QUIET
@given(st.integers(0, 2**31))
def test_small_instances_by_passes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(6):
        check(instance(rng, 80), TINY)
