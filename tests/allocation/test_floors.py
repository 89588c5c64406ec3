"""A floor costs no more than it needs, at every size; an optimum of 0 has no gap."""

import math
from typing import Any

import numpy as np
import pytest
from scipy.optimize import Bounds, LinearConstraint, milp

from bcrlsp.allocation import Budget, solve

SIZES = [13, 41, 60, 300, 3000]


def spent(costs: list[float], n: int, minimum: float, valued: int = 0) -> tuple[float, float]:
    """Value and spend. valued: users to whom the levels are worth 0, 0.5, 1."""
    value = np.zeros((n, len(costs)))
    value[:valued] = [0.0, 0.5, 1.0]
    found = solve(value, np.tile(costs, (n, 1)), [Budget("b", math.inf, minimum=minimum)])
    return found.value, found.spend["b"]


@pytest.mark.parametrize("n", SIZES)
def test_least_sums_by_hand(n: int) -> None:
    assert spent([0, 3, 50], n, 61) == (0.0, 62.0)  # 50 + 4 * 3; 21 * 3 is 63.
    assert spent([0, 3, 50], n, 311, valued=5) == (5.0, 312.0)  # 5 * 50 + the 62 above.
    assert spent([0, 2, 5], n, 11) == (0.0, 11.0)  # 5 + 3 * 2.
    if n >= 300:
        assert spent([0, 0.1, 0.35], n, 10.05) == (0.0, 10.05)  # 0.35 + 97 * 0.1.


@pytest.mark.parametrize(("n", "least"), [(600, 100), (4000, 2500)])
def test_a_number_of_users_is_reached_with_the_cheapest(n: int, least: int) -> None:
    cost = np.zeros((n, 2))
    cost[:, 1] = np.random.default_rng(n).integers(1, 6, n)
    asked = [
        Budget("reach", math.inf, levels=[1], measure="count", minimum=least),
        Budget("all", 1e9),
    ]
    found = solve(np.zeros((n, 2)), cost, asked)
    assert found.spend["reach"] == least
    assert found.spend["all"] == np.sort(cost[:, 1])[:least].sum()


@pytest.mark.parametrize("seed", range(4))
def test_against_an_integer_program(seed: int) -> None:
    """Sixty users of few kinds, two floors; the least spend of all choices of the same value."""
    rng = np.random.default_rng(seed)
    n, levels = 60, 3
    kinds = np.round(rng.random((4, levels)).cumsum(axis=1), 2)
    cost = kinds[rng.integers(0, 4, n)]
    cost[:, 0] = 0.0
    value, group = np.zeros((n, levels)), rng.integers(0, 2, n)
    least = round(float(cost.max()) * n * 0.4, 2)
    asked = [
        Budget("b", math.inf, minimum=least),
        Budget("k", math.inf, groups=[1], levels=[2], measure="count", minimum=7),
    ]
    found = solve(value, cost, asked, groups=group)
    counted = np.zeros((n, levels))
    counted[group == 1, 2] = 1.0
    whole: Any = milp(
        np.rint(100 * cost).ravel(),
        integrality=np.ones(n * levels),
        bounds=Bounds(0.0, 1.0),
        constraints=[
            LinearConstraint(np.rint(100 * cost).ravel()[None, :], round(100 * least), np.inf),
            LinearConstraint(counted.ravel()[None, :], 7, np.inf),
            LinearConstraint(np.kron(np.eye(n), np.ones((1, levels))), 1.0, 1.0),
        ],
        options={"mip_rel_gap": 0.0, "node_limit": 20_000},
    )
    assert found.spend["b"] == pytest.approx(whole.fun / 100, abs=1e-9)


@pytest.mark.parametrize("n", [3, 60, 2000])
def test_an_optimum_of_0_has_no_gap(n: int) -> None:
    one = np.tile([0.0, 1.0], (n, 1))
    found = solve(one, one, [Budget("b", 0)])
    assert (found.value, found.gap) == (0.0, 0.0)
    assert 0.0 <= found.bound < 1e-6
    cost = [[0.1 + 0.2, 1], [1e-9, 1], [12345.678901234, 1e6]]
    found = solve([[0.0, 1.0]] * 3, cost, [Budget("c", 12345.978901235)])
    assert (found.value, found.gap) == (0.0, 0.0)
    # The best of many values that come to 0.001 is no 0.
    less = solve(one * 1e-3, one, [Budget("b", 1)])
    assert less.value == pytest.approx(1e-3)
    assert solve(one, one, [Budget("b", 0.5)]).gap > 0.1
