"""`solve`: an allocation of users in memory, with NumPy, SciPy and Numba alone."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bcrlsp.allocation.certificate import Solution, restate
from bcrlsp.allocation.engine import Outcome, run
from bcrlsp.allocation.passes.array_source import ArraySource
from bcrlsp.allocation.passes.blocks import Block, choose
from bcrlsp.allocation.problem.budget import Budget
from bcrlsp.allocation.problem.conditioning import condition_of, losses
from bcrlsp.allocation.problem.constraints import check_budgets, compile_constraints
from bcrlsp.allocation.problem.fixed_point import Stats, units_of
from bcrlsp.allocation.problem.groups import index_groups
from bcrlsp.allocation.problem.short_floats import as_written
from bcrlsp.allocation.problem.validate import equal_where_alike, hash_ids, inspect, masked
from bcrlsp.allocation.settings import Settings
from bcrlsp.arrays import has_text, is_number, is_whole
from bcrlsp.errors import UserError, shown
from bcrlsp.given_settings import given_settings

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
    values, costs = _matrix("value", value), _matrix("cost", cost, written=True)
    if values.shape != costs.shape:
        raise UserError(
            f"value has shape {values.shape} and cost {costs.shape}; allowed: the same shape (n, a)"
        )
    n, levels = values.shape
    if n == 0:
        raise UserError("there are no users; give value and cost at least one row")
    if not is_whole(partitions) or partitions < 1:
        raise UserError(f"partitions is {partitions!r}; allowed: a whole number of at least 1")
    if not is_number(tolerance) or not tolerance > 0:
        raise UserError(f"tolerance is {shown(tolerance)}; allowed: a finite number above 0")
    how = given_settings(
        Settings, Settings(tolerance=float(tolerance)) if settings is None else settings
    )
    budgets = check_budgets(budgets)
    values, costs = masked(values, costs, allowed)
    given = values
    values, changed = equal_where_alike(values)
    columns, keys, group_index = index_groups(groups, n)
    stats, tops = inspect(values, costs, group_index, len(keys), lambda row: f"row {row}")
    users = _Users(values, costs, group_index, hash_ids(user_ids, n), min(int(partitions), n))

    def run_on(users: _Users, stats: Stats) -> Solution:
        sizes, units = (
            np.bincount(group_index, minlength=len(keys)).astype(np.int64),
            units_of(stats),
        )
        constraints, watched = (
            compile_constraints(budgets, columns, keys, sizes, levels, units, watch=watch)
            for watch in (False, True)
        )
        source = ArraySource(users.blocks(), sizes, units, stats.value, tops)
        return users.solution(run(source, constraints, watched, budgets, how, warm_start))

    conditioning = condition_of(values, stats.value)
    if conditioning is None:
        result = run_on(users, stats)
        if not len(changed):
            return result
        chosen = changed, result.levels[changed]
        more = math.fsum(np.asarray(values[chosen] - given[chosen], dtype=np.float64))
        restated = restate([result.certificate], [result.value - more])[1]
        return Solution(result.levels, restated)
    better = conditioning.apply(values)
    several = [run_on(replace(users, value=better), replace(stats, value=conditioning.largest))]
    if np.any(losses(values)[np.arange(n), several[0].levels] > conditioning.most_lost):
        # The budgets ask for a level that stands for none: what it loses counts.
        several.append(run_on(users, stats))
    return _restated(several, given, math.fsum(values.max(axis=1).astype(np.float64)))


def _restated(several: list[Solution], value: Floats, offset: float) -> Solution:
    """The best of some solutions, in the users' own values (n, a), see certificate.restate."""
    everyone = np.arange(len(value))
    own = [math.fsum(value[everyone, result.levels].astype(np.float64)) for result in several]
    best, restated = restate([result.certificate for result in several], own, offset)
    return Solution(several[best].levels, restated)


@dataclass(frozen=True)
class _Users:
    """All users, in `partitions` blocks. The rest as in blocks.Block."""

    value: Floats
    cost: Floats
    group_index: NDArray[np.int32]
    hashes: NDArray[np.uint64]
    partitions: int

    def blocks(self) -> list[Block]:
        n = len(self.group_index)
        edges = [n * i // self.partitions for i in range(self.partitions + 1)]
        return [
            Block(self.value[i:j], self.cost[i:j], self.group_index[i:j], self.hashes[i:j])
            for i, j in pairwise(edges)
            if j > i
        ]

    def solution(self, outcome: Outcome) -> Solution:
        chosen = np.empty(len(self.group_index), dtype=np.int64)
        blocks = self.blocks()
        starts = np.cumsum([0] + [len(block) for block in blocks])
        for block, start in zip(blocks, starts, strict=False):
            chosen[start : start + len(block)] = choose(block, outcome.weight, outcome.tables)
        chosen[starts[outcome.place[:, 0]] + outcome.place[:, 1]] = outcome.levels
        return Solution(chosen, outcome.certificate)


def _matrix(name: str, given: ArrayLike, written: bool = False) -> Floats:
    """(n, a) numbers. written: short floats count as the decimals that they stand for."""
    if np.ma.is_masked(given):
        raise UserError(f"{name} has masked entries; rule levels out with allowed")
    try:
        matrix = np.asarray(given)
        if matrix.dtype.kind not in "biufO" or (matrix.dtype.kind == "O" and has_text(matrix)):
            raise TypeError
        if written:
            several = matrix.dtype == np.float64 and not hasattr(given, "dtype")
            matrix = as_written(np.asarray(given, dtype=object) if several else matrix)
        if matrix.dtype not in (np.float32, np.float64):
            matrix = matrix.astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        raise UserError(
            f"{name} is no array of numbers; allowed: an array of shape (n, a)"
        ) from None
    if matrix.ndim != 2 or matrix.shape[1] == 0:
        raise UserError(f"{name} has shape {matrix.shape}; allowed: (n, a), a user a row")
    return np.ascontiguousarray(matrix)
