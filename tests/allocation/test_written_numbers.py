"""Exact limits hold to the letter, and short floats count as the decimals that they stand for."""

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bcrlsp.allocation import Budget, InfeasibleBudgetError, Settings, solve
from bcrlsp.allocation.problem.short_floats import as_written

PASSES = Settings(direct_users=50, sample_users=150, core_users=200)
TINY = Decimal("1e-18")


def ones(n: int, cost: Any) -> tuple[Any, Any]:
    return np.tile([0.0, 1.0], (n, 1)), np.tile([0.0, cost], (n, 1))


@pytest.mark.parametrize("n", [3, 12, 40, 700])
@pytest.mark.parametrize("less", [TINY, Decimal("1e-400"), Fraction(1, 10**30), 0])
def test_exact_limits_hold_to_the_letter(n: int, less: Any) -> None:
    """A limit just below a third of n tenths keeps one send less than that limit itself."""
    value, cost = ones(n, 0.1)
    fit = n // 3
    limit = Fraction(fit, 10) - Fraction(less)
    kinds = [limit] if isinstance(less, Fraction) else [limit, Decimal(fit) / 10 - less]
    for given_limit in kinds:
        if isinstance(given_limit, Decimal) and Fraction(given_limit) != limit:
            continue  # More digits than the context of decimals holds.
        found = solve(value, cost, [Budget("b", given_limit)], settings=PASSES)  # type: ignore[arg-type]
        assert found.levels.sum() == (fit if less == 0 else fit - 1)
        assert Fraction(found.spend["b"]).limit_denominator(10) <= limit


def test_three_tenths_and_a_little_less() -> None:
    value, cost = ones(3, 0.1)
    for limit in (Decimal("0.299999999999999999"), Fraction(299999999999999999, 10**18)):
        assert solve(value, cost, [Budget("b", limit)]).levels.sum() == 2  # type: ignore[arg-type]
    assert solve(value, cost, [Budget("b", Decimal("0.3"))]).levels.sum() == 3  # type: ignore[arg-type]
    assert solve(value, cost, [Budget("b", np.float32(0.3))]).levels.sum() == 3  # type: ignore[arg-type]
    assert solve(*ones(7, 0.1), [Budget("b", np.float32(0.7))]).levels.sum() == 7  # type: ignore[arg-type]


@pytest.mark.parametrize("n", [3, 60])
def test_exact_minimums_hold_to_the_letter(n: int) -> None:
    value, cost = ones(n, 0.1)
    most = Decimal(n) / 10
    above = Budget("b", math.inf, minimum=most + TINY)  # type: ignore[arg-type]
    with pytest.raises(InfeasibleBudgetError, match=str(most + TINY)) as raised:
        solve(value, cost, [above])
    assert raised.value.nearest == most
    kept = Budget("b", math.inf, minimum=raised.value.nearest)
    assert solve(value, cost, [kept]).levels.all()
    one = Budget("b", math.inf, minimum=Decimal("0.1") + TINY)  # type: ignore[arg-type]
    assert solve(-value, cost, [one]).levels.sum() == 2


@pytest.mark.parametrize("amount", ["0.1", "9.99", "2499.99", "9999.99", "81919.9", "123456.5"])
@pytest.mark.parametrize("kind", [np.float32, np.float16])
@pytest.mark.parametrize("n", [3, 300])
def test_short_floats_are_the_decimals_that_they_stand_for(amount: str, kind: Any, n: int) -> None:
    if kind is np.float16 and float(amount) > 100:
        return
    value, cost = ones(n, 0.0)
    cost[:, 1] = float(amount)
    limit = float(Decimal(amount) * (n - 1))
    for held in (cost.astype(kind), [[0.0, kind(amount)]] * n):
        found = solve(value, held, [Budget("b", limit)])
        assert (found.levels.sum(), found.spend["b"]) == (n - 1, limit)


def test_short_floats_of_many_places_beside_money() -> None:
    cost = np.array([[0.0, 9999.99]] * 3 + [[0.0, 1.234567e-9]], dtype=np.float32)
    value = np.tile([0.0, 1.0], (4, 1))
    assert solve(value, cost, [Budget("b", 29999.97 + 1e-8)]).levels.all()


@settings(max_examples=200, deadline=None)
@given(st.floats(width=32, allow_nan=False) | st.integers(0, 10**8).map(lambda x: x / 100))
def test_numpy_writes_the_same(number: float) -> None:
    held = np.array([number], np.float32)
    assert as_written(held)[0] == float(str(held[0]))
