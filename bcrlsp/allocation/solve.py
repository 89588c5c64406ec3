"""`solve`: an allocation of users in memory, with NumPy, SciPy and Numba alone."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bcrlsp.allocation.array_source import ArraySource
from bcrlsp.allocation.blocks import Block, choose
from bcrlsp.allocation.budget import Budget
from bcrlsp.allocation.certificate import Solution
from bcrlsp.allocation.engine import run
from bcrlsp.allocation.fixed import units_of
from bcrlsp.allocation.rows import check_budgets, compile_rows
from bcrlsp.allocation.settings import Settings
from bcrlsp.allocation.validate import hash_ids, inspect, masked
from bcrlsp.errors import UserError

Floats = NDArray[np.floating[Any]]


def solve(
    value: ArrayLike,
    cost: ArrayLike,
    budgets: Sequence[Budget],
    *,
    groups: ArrayLike | Mapping[str, ArrayLike] | None = None,
    allowed: ArrayLike | None = None,
    user_ids: Sequence[Any] | None = None,
    partitions: int = 1,
    tolerance: float = 1e-6,
    warm_start: Mapping[str, float] | None = None,
    settings: Settings | None = None,
) -> Solution:
    """Levels that maximise Σ_u value(u, level of u) within the budgets.

    value, cost: (n, a) float32 or float64, what each level is worth and costs; costs at least 0.
    groups: (n,) group of each user, or {column: (n,)}, which Budget.groups refers to.
    allowed: (n, a) bool, levels that each user may get; None for all.
    user_ids: (n,) ids that settle ties between equal users; None for the row's number.
    partitions: blocks that the users are held in; no influence on the answer.
    tolerance: relative gap of the linear program at which the search may end.
    warm_start: {budget: price} to begin at, such as yesterday's prices; None for a sample's.

    Returns the Solution: levels are integral and within every budget, and no allocation within
    the budgets, fractional ones included, is worth more than its bound.
    Raises UserError for input that cannot be worked with and InfeasibleBudgetError.
    """
    values, costs = _matrix("value", value), _matrix("cost", cost)
    if values.shape != costs.shape:
        raise UserError(
            f"value has shape {values.shape} and cost {costs.shape}; allowed: the same shape (n, a)"
        )
    n, levels = values.shape
    if n == 0:
        raise UserError("there are no users; give value and cost at least one row")
    if not isinstance(partitions, int) or partitions < 1:
        raise UserError(f"partitions is {partitions!r}; allowed: a whole number of at least 1")
    check_budgets(budgets)
    if allowed is not None:
        values, costs = masked(values, costs, np.asarray(allowed))
    stats = inspect(values, costs, lambda row: f"row {row}")
    columns, keys, code = _groups(groups, n)
    hashes = hash_ids(user_ids, n)
    sizes = np.bincount(code, minlength=len(keys)).astype(np.int64)
    units = units_of(stats)
    rows, watched = (
        compile_rows(budgets, columns, keys, sizes, levels, units, watch=watch)
        for watch in (False, True)
    )
    edges = [n * i // partitions for i in range(partitions + 1)]
    blocks = [
        Block(values[i:j], costs[i:j], code[i:j], hashes[i:j]) for i, j in pairwise(edges) if j > i
    ]
    source = ArraySource(blocks, sizes, units, stats.value, stats.cost)
    outcome = run(
        source, rows, watched, budgets, settings or Settings(tolerance=tolerance), warm_start
    )
    chosen = np.empty(n, dtype=np.int64)
    starts = np.cumsum([0] + [len(block) for block in blocks])
    for block, start in zip(blocks, starts, strict=False):
        chosen[start : start + len(block)] = choose(block, 1.0, outcome.tables)
    chosen[starts[outcome.place[:, 0]] + outcome.place[:, 1]] = outcome.levels
    return Solution(chosen, outcome.certificate)


def _matrix(name: str, given: ArrayLike) -> Floats:
    try:
        matrix = np.asarray(given)
        if matrix.dtype not in (np.float32, np.float64):
            matrix = matrix.astype(np.float64)
    except (TypeError, ValueError):
        raise UserError(
            f"{name} is no array of numbers; allowed: an array of shape (n, a)"
        ) from None
    if matrix.ndim != 2 or matrix.shape[1] == 0:
        raise UserError(f"{name} has shape {matrix.shape}; allowed: (n, a), a user a row")
    return np.ascontiguousarray(matrix)


def _groups(
    groups: ArrayLike | Mapping[str, ArrayLike] | None, n: int
) -> tuple[list[str], list[tuple[Any, ...]], NDArray[np.int32]]:
    """Names of the group columns, the distinct keys, and each user's (n,) code."""
    if groups is None:
        return [], [()], np.zeros(n, dtype=np.int32)
    named = dict(groups) if isinstance(groups, Mapping) else {"groups": groups}
    code = np.zeros(n, dtype=np.int64)
    parts = []
    for column, given in named.items():
        held = np.asarray(given)
        if held.shape != (n,):
            raise UserError(f"{column} has shape {held.shape}; allowed: ({n},), a value a user")
        values, inverse = _distinct(held)
        parts.append(values.tolist())
        code = code * len(values) + inverse
    present, inverse = _distinct(code)
    keys = []
    for number in present.tolist():
        key = []
        for values in reversed(parts):
            number, index = divmod(number, len(values))
            key.append(values[index])
        keys.append(tuple(reversed(key)))
    return list(named), keys, inverse.astype(np.int32)


def _distinct(held: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.integer]]:
    """The distinct values, in order, and each entry's place among them."""
    if held.dtype.kind in "iu" and len(held):
        low, high = int(held.min()), int(held.max())
        if high - low <= 2 * len(held):
            # Numbers that lie close together need not be sorted.
            off = (held - low).astype(np.int64)
            there = np.bincount(off, minlength=high - low + 1) > 0
            return np.flatnonzero(there) + low, (np.cumsum(there) - 1)[off]
    values, inverse = np.unique(held, return_inverse=True)
    return values, inverse
