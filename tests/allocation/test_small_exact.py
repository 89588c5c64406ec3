"""Up to twelve users: the integer optimum, and of several the one that spends least."""

import itertools
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp

from bcrlsp.allocation import Budget, InfeasibleBudgetError, solve

MANY = settings(
    deadline=None, suppress_health_check=list(HealthCheck), max_examples=60, derandomize=True
)


def case_of(rng: np.random.Generator, n: int, levels: int) -> dict[str, Any]:
    value = np.round(rng.normal(size=(n, levels)), int(rng.integers(0, 3)))
    cost = np.round(rng.random((n, levels)) * 2, int(rng.integers(0, 3)))
    if rng.random() < 0.3:
        value = np.maximum(value, 0.0)
    if rng.random() < 0.3:
        cost[:] = cost[0]
    if rng.random() < 0.5:
        cost[:, 0] = 0.0
    typical = float(cost.mean()) * n
    budgets = [
        Budget("total", round(typical * rng.random() * 1.5, 2)),
        Budget("group", round(typical * rng.random(), 2), groups=["a"]),
        Budget("top", float(rng.integers(0, n + 1)), levels=[levels - 1], measure="count"),
        Budget("spent", np.inf, minimum=round(typical * rng.random() * 0.6, 2)),
    ]
    return {
        "value": value,
        "cost": cost,
        "budgets": [b for b in budgets if rng.random() < 0.5] or budgets[:1],
        "groups": np.array(["a", *rng.choice(["a", "b"], n - 1)]),
    }


def hundredths(case: dict[str, Any], chosen: Any) -> tuple[int, int] | None:
    """(- value, spend) in whole hundredths, None where a budget is not kept."""
    value, cost = (np.rint(100 * case[name]).astype(int) for name in ("value", "cost"))
    here = np.arange(len(value)), np.asarray(chosen)
    for budget in case["budgets"]:
        counted = np.ones(len(value), dtype=bool)
        if budget.groups is not None:
            counted &= case["groups"] == "a"
        if budget.levels is not None:
            counted &= here[1] == budget.levels[0]
        used = int(
            (cost[here] if budget.measure == "cost" else np.full(len(value), 100))[counted].sum()
        )
        if used > 100 * budget.limit + 1e-6 or used < 100 * (budget.minimum or 0.0) - 1e-6:
            return None
    return -int(value[here].sum()), int(cost[here].sum())


@MANY
@given(st.integers(0, 2**31), st.sampled_from([(1, 5), (3, 4), (5, 3), (8, 2)]))
def test_against_all_choices(seed: int, size: tuple[int, int]) -> None:
    case = case_of(np.random.default_rng(seed), *size)
    told = [hundredths(case, c) for c in itertools.product(range(size[1]), repeat=size[0])]
    best = min((one for one in told if one is not None), default=None)
    try:
        found = hundredths(case, solve(**case).levels)
    except InfeasibleBudgetError:
        found = None
    assert found == best


@settings(MANY, max_examples=15)
@given(st.integers(0, 2**31))
def test_twelve_users_against_an_integer_program(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, levels = 12, 4
    value, cost = rng.random((n, levels)).cumsum(axis=1), rng.random((n, levels)).cumsum(axis=1)
    cost[:, 0] = 0.0
    group = rng.integers(0, 2, n)
    budgets = [Budget("total", 6.0), Budget("one", 2.5, groups=[1])]
    found = solve(value, cost, budgets, groups=group)
    once = sparse.kron(sparse.eye_array(n), np.ones((1, levels)))
    rows = np.vstack([cost.ravel(), (cost * (group == 1)[:, None]).ravel()])
    whole = milp(
        -value.ravel(),
        integrality=np.ones(n * levels),
        bounds=Bounds(0.0, 1.0),
        constraints=[LinearConstraint(rows, -np.inf, [6.0, 2.5]), LinearConstraint(once, 1.0, 1.0)],
        options={"mip_rel_gap": 0.0},
    )
    assert found.value >= -whole.fun - 1e-6
    assert found.value <= found.bound
