"""The users and budgets of bench_lp.py, and the linear program as other solvers take it.

Level a of 8 costs a * u1 (u1 uniform in 0.3..1 by user) and is worth
u2 + lift * (1 - exp(-a / s)) + noise, u2 uniform in 0..1, lift gamma(2, 1/2), s uniform in 0.5..4
by user, noise normal with deviation 0.02 by user and level. float32. Budgets: a total of 0.5 a
user, and for K budgets K - 1 groups of random users with limits from 0.3 to 0.8 a user.
"""

from typing import Any

import numpy as np
from scipy import sparse

from bcrlsp.allocation import Budget

LEVELS = 8


def market(users: int, budgets: int, seed: int = 0) -> tuple[Any, Any, Any]:
    """value, cost (n, a) float32 and group (n,) of the users of one seed."""
    rng = np.random.default_rng(seed)
    amount = np.arange(LEVELS, dtype=np.float64)
    rise = 1.0 - np.exp(-amount / rng.uniform(0.5, 4.0, (users, 1)))
    value = rng.random((users, 1)) + rng.gamma(2.0, 0.5, (users, 1)) * rise
    value += rng.normal(0.0, 0.02, (users, LEVELS))
    cost = amount * rng.uniform(0.3, 1.0, (users, 1))
    group = rng.integers(0, max(budgets - 1, 1), users)
    return value.astype(np.float32), cost.astype(np.float32), group


def limits(users: int, budgets: int) -> list[float]:
    """Limit of the total, then of each group."""
    groups = budgets - 1
    each = [(0.3 + 0.5 * g / groups) * users / groups for g in range(groups)]
    return [0.5 * users, *each]


def budgets_of(users: int, budgets: int) -> list[Budget]:
    """The same limits as budgets."""
    total, *groups = limits(users, budgets)
    each = [Budget(f"group {g}", limit, groups=[g]) for g, limit in enumerate(groups)]
    return [Budget("total", total), *each]


def matrix(cost: Any, group: Any, budgets: int) -> sparse.csc_array:
    """The rows of the linear program over variables (user, level): budgets, then one a user."""
    users = len(cost)
    flat = cost.astype(np.float64).ravel()
    columns = np.arange(users * LEVELS)
    owner = np.repeat(np.arange(users), LEVELS)
    parts = [sparse.csr_matrix((flat, (np.zeros(len(flat), dtype=int), columns)))]
    if budgets > 1:
        shape = (budgets - 1, users * LEVELS)
        parts.append(sparse.csr_matrix((flat, (group[owner], columns)), shape=shape))
    parts.append(sparse.csr_matrix((np.ones(len(flat)), (owner, columns))))
    return sparse.vstack(parts, format="csc")


def judge(x: Any, value: Any, cost: Any, group: Any, budgets: int) -> dict[str, float]:
    """Gap to the certified bound, and the largest violation of a row, of another's solution.

    Relative to the limit for a budget; for a user, how far the parts are from 1.
    """
    from bcrlsp.allocation import solve

    users = len(value)
    bound = solve(value, cost, budgets_of(users, budgets), groups=group).bound
    x = np.asarray(x).reshape(users, LEVELS)
    total, *groups = limits(users, budgets)
    spent = (x * cost).sum(axis=1)
    worst = max(0.0, spent.sum() / total - 1.0, float(np.max(np.abs(x.sum(axis=1) - 1.0))))
    if groups:
        by_group = np.bincount(group, weights=spent, minlength=budgets - 1)
        worst = max(worst, float(np.max(by_group / np.array(groups) - 1.0)))
    return {"gap": (bound - float((x * value).sum())) / bound, "violation": worst}
