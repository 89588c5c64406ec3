"""An independent answer: the whole linear program, or the integer one, given to SciPy's HiGHS."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, linprog, milp

from bcrlsp.allocation import Budget

Floats = NDArray[np.float64]


def consumption(budget: Budget, cost: Floats, groups: Any) -> Floats:
    """(n, a) what each choice uses of a budget, from the words of its documentation."""
    n, levels = cost.shape
    used = cost.copy() if budget.measure == "cost" else np.ones((n, levels))
    if budget.levels is not None:
        used[:, [a for a in range(levels) if a not in budget.levels]] = 0.0
    if isinstance(budget.groups, Mapping):
        for column, wanted in budget.groups.items():
            used[[g not in wanted for g in groups[column]]] = 0.0
    elif budget.groups is not None:
        used[[g not in budget.groups for g in groups]] = 0.0
    return used


def _program(value: Floats, cost: Floats, budgets: Sequence[Budget], groups: Any) -> Any:
    n, levels = value.shape
    rows, right = [np.zeros(n * levels)], [0.0]
    for budget in budgets:
        used = consumption(budget, cost, groups).ravel()
        if np.isfinite(budget.limit):
            rows.append(used)
            right.append(budget.limit)
        if budget.minimum:
            rows.append(-used)
            right.append(-budget.minimum)
    once = sparse.kron(sparse.eye_array(n), np.ones((1, levels)), format="csr")
    return np.array(rows), np.array(right), once


def linear_optimum(
    value: Floats,
    cost: Floats,
    budgets: Sequence[Budget],
    groups: Any = None,
    allowed: Any = None,
) -> float | None:
    """Value of the linear program, None where it has no solution."""
    rows, right, once = _program(value, cost, budgets, groups)
    upper = np.ones(value.size) if allowed is None else np.asarray(allowed, float).ravel()
    found = linprog(
        -value.ravel(),
        A_ub=rows,
        b_ub=right,
        A_eq=once,
        b_eq=np.ones(len(value)),
        bounds=np.column_stack([np.zeros(value.size), upper]),
        method="highs",
    )
    assert found.status in (0, 2), found.message
    return None if found.status == 2 else -float(found.fun)


def has_integral_choice(
    value: Floats,
    cost: Floats,
    budgets: Sequence[Budget],
    groups: Any = None,
    allowed: Any = None,
) -> bool:
    """Whether some choice of one level a user keeps every budget."""
    rows, right, once = _program(value, cost, budgets, groups)
    upper = np.ones(value.size) if allowed is None else np.asarray(allowed, float).ravel()
    found = milp(
        np.zeros(value.size),
        integrality=np.ones(value.size),
        bounds=Bounds(0.0, upper),
        constraints=[LinearConstraint(rows, -np.inf, right), LinearConstraint(once, 1.0, 1.0)],
    )
    assert found.status in (0, 2), found.message
    return bool(found.status == 0)
