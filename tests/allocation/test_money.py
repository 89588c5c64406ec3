"""Decimal amounts are counted as decimals, and the number that an error names can be kept."""

import math
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bcrlsp.allocation import Budget, InfeasibleBudgetError, Settings, solve

PASSES = Settings(direct_users=50, sample_users=150, core_users=200)
FEW = settings(
    deadline=None, suppress_health_check=list(HealthCheck), max_examples=10, derandomize=True
)


@pytest.mark.parametrize("cents", [1, 3, 7, 10, 29, 101, 1999])
@pytest.mark.parametrize("n", [3, 40, 1500, 30_000])
@pytest.mark.parametrize("kind", [float, np.float32, Decimal])
def test_as_many_fit_as_the_limit_pays_for(cents: int, n: int, kind: Any) -> None:
    """n - 1 of n users at an amount, under a limit of (n - 1) times the amount."""
    amount = Decimal(cents) / 100
    cost = np.zeros((n, 2), dtype=object)
    cost[:, 1] = amount
    cost = cost if kind is Decimal else cost.astype(kind)
    value = np.column_stack([np.zeros(n), np.linspace(1.0, 2.0, n)])
    limit = amount * (n - 1)
    for given_limit in (float(limit), limit, limit + Decimal("0.0001")):
        found = solve(value, cost, [Budget("b", given_limit)])  # type: ignore[arg-type]
        assert found.levels.sum() == n - 1
        assert found.spend["b"] == float(limit)
    less = solve(value, cost, [Budget("b", float(limit) - 0.001)])
    assert less.levels.sum() == n - 2


def test_three_times_ten_cents() -> None:
    cost = [[0.0, 0.1]] * 3
    assert solve([[0.0, 1.0]] * 3, cost, [Budget("b", 0.3)]).levels.tolist() == [1, 1, 1]
    assert solve([[0.0, 1.0]] * 3, cost, [Budget("b", 0.299999)]).levels.sum() == 2


@FEW
@given(st.integers(0, 2**31), st.sampled_from([2, 9, 300, 5000]), st.sampled_from([1, 2, 4, 17]))
def test_a_limit_that_is_the_least_or_the_chosen_sum(seed: int, n: int, places: int) -> None:
    """Summed by the user in floats, in any order; 17 places: on no grid."""
    rng = np.random.default_rng(seed)
    cost = np.round(rng.random((n, 3)) * 3, places)
    value, least = rng.random((n, 3)), cost.min(axis=1)
    order = rng.permutation(n)
    for limit in (float(least.sum()), float(sum(least[order].tolist())), math.fsum(least)):
        found = solve(value, cost, [Budget("b", limit)])
        assert cost[np.arange(n), found.levels].tolist() == least.tolist()
        assert found.spend["b"] <= limit
    wide = solve(value, cost, [Budget("b", 1.2 * float(least.sum()))])
    chosen = cost[np.arange(n), wide.levels]
    again = solve(value, cost, [Budget("b", float(sum(chosen[order].tolist())))])
    assert again.value >= wide.value - 1e-3 * n**0.5 if n > 12 else again.value >= wide.value


def infeasible(rng: np.random.Generator, n: int) -> dict[str, Any]:
    places = int(rng.choice([1, 2, 3, 17]))
    cost = np.round(rng.random((n, 3)) * 2 + 0.1, places)
    total = float(cost.min(axis=1).sum())
    budgets = [
        Budget("total", total * rng.uniform(0.3, 1.3)),
        Budget("group", total * rng.uniform(0.1, 0.6), groups=["a"]),
        Budget("top", float(rng.integers(0, n)), levels=[0, 1], measure="count"),
        Budget("least", math.inf, minimum=float(cost.max(axis=1).sum()) * rng.uniform(0.8, 1.2)),
        Budget("reach", math.inf, levels=[2], measure="count", minimum=0.6 * n + 0.5),
    ]
    return {
        "value": rng.random((n, 3)),
        "cost": cost,
        "budgets": [b for b in budgets if rng.random() < 0.5] or budgets[:1],
        "groups": rng.choice(["a", "b"], n),
    }


@FEW
@given(st.integers(0, 2**31), st.sampled_from([1, 4, 11, 30, 150]))
def test_the_nearest_possible_that_the_error_names_can_be_kept(seed: int, n: int) -> None:
    case = infeasible(np.random.default_rng(seed), n)
    named: list[tuple[str, str]] = []
    while (error := refused(case)) is not None:
        assert (error.budget, error.side) not in named
        named.append((error.budget, error.side))
        nearest = float(str(error).rsplit(" is ", 1)[1].split(";")[0])
        assert nearest == error.nearest
        case["budgets"] = [
            replace(b, **{error.side: nearest}) if b.name == error.budget else b
            for b in case["budgets"]
        ]
    assert len(named) <= len(case["budgets"])


@pytest.mark.parametrize("exact", [Decimal, Fraction])
@pytest.mark.parametrize("side", ["limit", "minimum"])
def test_the_nearest_of_an_exact_limit_is_exact(exact: type, side: str) -> None:
    """The sum of the costs is no number of 17 digits: it is rounded to the side that is kept."""
    for seed, n in ((0, 5), (1, 30), (2, 200)):
        cost = np.random.default_rng(seed).random((n, 3))
        best = sum(map(Fraction, (cost.min if side == "limit" else cost.max)(axis=1)))
        bounds = {"limit": exact(0)} if side == "limit" else {"minimum": exact(n + 1)}
        with pytest.raises(InfeasibleBudgetError) as caught:
            solve(0 * cost, cost, [Budget("b", **{"limit": math.inf} | bounds)])
        nearest = caught.value.nearest
        assert isinstance(nearest, exact)
        away = Fraction(nearest) - best
        assert 0 <= (away if side == "limit" else -away) <= best * Fraction(1, 10**15)
        for given_back in (nearest, exact(str(nearest))):
            solve(0 * cost, cost, [Budget("b", **{"limit": math.inf, side: given_back})])


def test_where_parts_of_users_keep_budgets_that_whole_ones_cannot() -> None:
    """One user costs 0 or 100: a floor of 50 and a limit of 90 exclude each other."""
    floor, limit = Budget("least", math.inf, minimum=50), Budget("most", 90)
    for n, third, nearest in (
        (1, Budget("top", math.inf, levels=[1], minimum=500), 100),
        (3, Budget("sends", math.inf, measure="count", levels=[1], minimum=2), 1),
    ):
        case: dict[str, Any] = {
            "value": np.tile([0.0, 1.0], (n, 1)),
            "cost": np.tile([0.0, 100.0], (n, 1)),
            "budgets": [floor, limit, third],
        }
        first = refused(case)
        assert first is not None
        assert (first.budget, first.nearest, first.proved) == ("most", 100, False)
        case["budgets"][1] = replace(limit, limit=100)
        second = refused(case)
        assert second is not None
        assert (second.budget, second.nearest) == (third.name, nearest)
        case["budgets"][2] = replace(third, minimum=nearest)
        assert refused(case) is None


def refused(case: dict[str, Any]) -> InfeasibleBudgetError | None:
    try:
        solve(**case, settings=PASSES)
    except InfeasibleBudgetError as error:
        return error
    return None
