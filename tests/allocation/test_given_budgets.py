"""Budgets as people hand them in: any iterable, groups that nobody is in, their own prices."""

import math
from collections.abc import Callable, Iterable

import numpy as np
import pytest

from bcrlsp.allocation import Budget, InfeasibleBudgetError, solve
from bcrlsp.errors import UserError

VALUE, COST = [[0.0, 1.0]] * 3, [[0.0, 1.0]] * 3


@pytest.mark.parametrize("given", [list, tuple, iter, lambda budgets: (each for each in budgets)])
def test_any_iterable_of_budgets_binds(given: Callable[[list[Budget]], Iterable[Budget]]) -> None:
    found = solve(VALUE, COST, given([Budget("b", 1)]))
    assert found.levels.sum() == 1
    assert found.spend == {"b": 1.0}


@pytest.mark.parametrize("budgets", [None, 3, Budget("b", 1), ["b"], {"b": 1}])
def test_what_is_no_list_of_budgets_is_one_line(budgets: object) -> None:
    with pytest.raises(UserError, match="allowed: a list of Budget"):
        solve(VALUE, COST, budgets)


@pytest.mark.parametrize("users", [1, 100])
def test_a_floor_of_a_group_without_users_cannot_be_kept(users: int) -> None:
    floor = Budget("b", 5, groups=["x"], minimum=1)
    value = np.tile([0.0, 1.0], (users, 1))
    with pytest.raises(InfeasibleBudgetError) as error:
        solve(value, value, [floor], groups=["a"] * users)
    assert (error.value.budget, error.value.nearest) == ("b", 0.0)
    lower = Budget("b", 5, groups=["x"], minimum=error.value.nearest)
    assert solve(value, value, [lower], groups=["a"] * users).spend == {"b": 0.0}


@pytest.mark.parametrize("values", [[], "north", None, 3])
def test_groups_by_column_are_collections(values: object) -> None:
    with pytest.raises(UserError, match=r"groups\['x'\] is"):
        Budget("b", 0, groups={"x": values})


def test_prices_of_a_solution_start_the_next_one() -> None:
    budgets = [Budget("free", math.inf), Budget("b", 1)]
    first = solve(VALUE, COST, budgets)
    again = solve(VALUE, COST, budgets, warm_start=first.prices)
    np.testing.assert_array_equal(again.levels, first.levels)
