"""Budgets as rows of the linear program: Σ_u w_k(u, level of u) <= rhs_k.

Rows differ in whom they count (groups) and in how (a pattern: weights by level on the cost and on
the count). All that a user sees of K prices is one price a pattern, so that a pass over the users
costs the same for one budget and for hundreds.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from bcrlsp.allocation.measures import MEASURES
from bcrlsp.allocation.problem.budget import Budget, InfeasibleBudgetError
from bcrlsp.allocation.problem.fixed_point import Units
from bcrlsp.allocation.problem.limits import meant
from bcrlsp.allocation.problem.members import members_of
from bcrlsp.errors import UserError

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class PriceTables:
    """What one user's choice costs under some prices.

    cost, count: (g, a) float64, price of a unit of cost and of one user at a level, by group.
    """

    cost: FloatArray
    count: FloatArray


@dataclass(frozen=True)
class Constraints:
    """All caps and floors; a floor Σ w >= m is the row Σ -w <= -m.

    names, sides: budget and side ("limit" or "minimum") of each row.
    sign: (k,) 1 for a cap, -1 for a floor. rhs: (k,), sign included.
    exact: (k,) the same as exact numbers (see limits.py). whole: (k,) whether uses are whole units,
    scale: (k,) units in a use of 1, 1 where uses are no whole units.
    member: (k, g) whether a row counts a group. pattern: (k,) its weights' row in alpha and beta.
    alpha, beta: (p, a) weights on the cost and on the count. sizes: (g,) users of each group.
    """

    names: tuple[str, ...]
    sides: tuple[str, ...]
    sign: FloatArray
    rhs: FloatArray
    exact: tuple[Fraction, ...]
    whole: NDArray[np.bool_]
    scale: FloatArray
    member: NDArray[np.bool_]
    pattern: NDArray[np.int64]
    alpha: FloatArray
    beta: FloatArray
    sizes: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.names)

    @property
    def users(self) -> NDArray[np.int64]:
        """(k,) users that each row counts."""
        return self.member @ self.sizes

    def by_pattern(self, prices: FloatArray) -> FloatArray:
        """(g, p): sums over rows of prices (k,), as a user of each group meets them."""
        met = np.zeros((self.member.shape[1], len(self.alpha)))
        for p in range(len(self.alpha)):
            here = self.pattern == p
            met[:, p] = prices[here] @ self.member[here]
        return met

    def tables(self, prices: FloatArray) -> PriceTables:
        """The price tables of row prices (k,), all of them at least 0."""
        met = self.by_pattern(self.sign * prices)
        return PriceTables(met @ self.alpha, met @ self.beta)

    def weights(self, cost: FloatArray) -> FloatArray:
        """(n, p, a): what each level of users with cost (n, a) uses up, by pattern."""
        return cost[:, None, :] * self.alpha + self.beta

    def largest_use(self, top_cost: FloatArray) -> FloatArray:
        """(k,) what a user can use of a row at most. top_cost: (g,) largest cost in each group."""
        dearest = np.where(self.member, top_cost, 0.0).max(axis=1, initial=0.0)
        cost, count = self.alpha.max(axis=1, initial=0.0), self.beta.max(axis=1, initial=0.0)
        return np.asarray(cost[self.pattern] * dearest + count[self.pattern])

    def usage(self, sums: NDArray[np.int64], units: Units) -> list[Fraction]:
        """Exact sign * usage of each row. sums: (5, g, a) of chosen levels, see blocks.Answer."""
        counted = self.member.astype(np.int64)
        # Units are such that the sum over all users is an int64 (fixed_point.units_of).
        low, counts, high = counted @ sums[1], counted @ sums[2], counted @ sums[4]
        used = []
        for k, p in enumerate(self.pattern):
            lows, highs = (_weighted(self.alpha[p], part[k]) for part in (low, high))
            costs = (highs * 2**units.bits + lows) * units.step
            total = costs + _weighted(self.beta[p], counts[k])
            used.append(total if self.sign[k] > 0 else -total)
        return used

    def room(self, used: Sequence[Fraction], scaled: bool = False) -> FloatArray:
        """(k,) what is left of each row, below 0 exactly where it is broken.

        scaled: in units of `scale`; where uses are whole units, the whole ones that are left.
        """
        left = [b - u for b, u in zip(self.exact, used, strict=True)]
        if scaled:
            sized = zip(left, self.scale, self.whole, strict=True)
            left = [
                Fraction(math.floor(part * int(scale)) if whole else part * int(scale))
                for part, scale, whole in sized
            ]
        # What a double cannot tell from 0 is not 0.
        least = float(np.finfo(np.float64).tiny)
        doubles = [float(part) or (least if part > 0 else -least if part else 0.0) for part in left]
        return np.array(doubles, dtype=np.float64)

    def at(self, exact: Sequence[Fraction]) -> "Constraints":
        """The same rows with other right sides."""
        rhs = np.array([float(b) for b in exact], dtype=np.float64)
        return replace(self, rhs=rhs, exact=tuple(exact))

    def sparse_member(self) -> sparse.csr_matrix:
        """(g, k) sign of each row where it counts the group, else 0."""
        return sparse.csr_matrix((self.member * self.sign[:, None]).T)

    def scaled(self, share: float, sizes: NDArray[np.int64]) -> "Constraints":
        """The same rows for a sample of `share` of the users, with its group sizes."""
        part = Fraction(share)
        return replace(self.at([part * b for b in self.exact]), sizes=sizes)

    def only(self, constraints: Sequence[int]) -> "Constraints":
        """Some of the rows alone."""
        some = list(constraints)
        return replace(
            self,
            names=tuple(self.names[k] for k in some),
            sides=tuple(self.sides[k] for k in some),
            sign=self.sign[some],
            rhs=self.rhs[some],
            exact=tuple(self.exact[k] for k in some),
            whole=self.whole[some],
            scale=self.scale[some],
            member=self.member[some],
            pattern=self.pattern[some],
        )


def compile_constraints(
    budgets: Sequence[Budget],
    columns: Sequence[str],
    keys: Sequence[tuple[Any, ...]],
    sizes: NDArray[np.int64],
    levels: int,
    units: Units,
    *,
    watch: bool = False,
) -> Constraints:
    """Rows of `budgets`: their caps and floors or, to watch them, one row each.

    columns: names of the group columns. keys: the group values of each group, one a column.
    sizes: (g,) users of each group. levels: number of levels. units: of the fixed-point sums.
    Raises UserError for a name used twice, an unknown group, column, level or measure.
    """
    budgets = check_budgets(budgets)
    _check_levels(budgets, levels)
    patterns: dict[tuple[bytes, bytes], int] = {}
    weights: list[tuple[FloatArray, FloatArray]] = []
    constraints = []
    for budget in budgets:
        alpha, beta = _weights(budget, levels)
        index = patterns.setdefault((alpha.tobytes(), beta.tobytes()), len(patterns))
        if index == len(weights):
            weights.append((alpha, beta))
        member = members_of(budget, columns, keys, warn=not watch)
        users, step = int(sizes[member].sum()), _step(alpha, beta, units)
        if budget.minimum and not users:
            raise InfeasibleBudgetError(budget.name, "minimum", budget.minimum, 0.0)
        scale = (step is not None, 1.0 if step is None else float(1 / step))
        if budget.limit < math.inf or watch:
            # A row that is only watched has no right side to speak of.
            most = Fraction(0) if budget.limit == math.inf else meant(budget.limit, step, users, 1)
            constraints.append((budget.name, "limit", 1.0, most, member, index, scale))
        if budget.minimum and not watch:
            # Fixed-point costs are rounded up: a floor must hold even if each were one unit less.
            doubt = (
                Fraction(0) if units.exact else units.step * Fraction(float(alpha.max())) * users
            )
            least = meant(budget.minimum, step, users, -1) + doubt
            constraints.append((budget.name, "minimum", -1.0, -least, member, index, scale))
    shape = (len(weights), levels)
    return Constraints(
        names=tuple(row[0] for row in constraints),
        sides=tuple(row[1] for row in constraints),
        sign=np.array([row[2] for row in constraints], dtype=np.float64),
        rhs=np.array([float(row[3]) for row in constraints], dtype=np.float64),
        exact=tuple(row[3] for row in constraints),
        whole=np.array([row[6][0] for row in constraints], dtype=bool),
        scale=np.array([row[6][1] for row in constraints], dtype=np.float64),
        member=np.array([row[4] for row in constraints], dtype=bool).reshape(
            len(constraints), len(keys)
        ),
        pattern=np.array([row[5] for row in constraints], dtype=np.int64),
        alpha=np.array([w[0] for w in weights]).reshape(shape),
        beta=np.array([w[1] for w in weights]).reshape(shape),
        sizes=np.asarray(sizes, dtype=np.int64),
    )


def _step(alpha: FloatArray, beta: FloatArray, units: Units) -> Fraction | None:
    """Of which every use of a pattern is a whole multiple, None for none."""
    whole = all(float(weight).is_integer() for weight in (*alpha, *beta))
    if whole and not alpha.any():
        return Fraction(1)
    # Users beside amounts of money are whole units of money as well.
    return units.step if whole and units.decimal else None


def _weighted(weights: FloatArray, amounts: NDArray[np.int64]) -> Fraction:
    """The exact sum of weights (a,) times whole amounts (a,)."""
    total = Fraction(0)
    for weight in set(weights.tolist()) - {0.0}:
        total += Fraction(weight) * int(amounts[weights == weight].sum())
    return total


def check_budgets(budgets: Iterable[Budget]) -> tuple[Budget, ...]:
    """The budgets, read once; UserError for anything but budgets with names of their own."""
    several = tuple(budgets) if isinstance(budgets, Iterable) else (budgets,)
    if isinstance(budgets, Budget) or not all(isinstance(b, Budget) for b in several):
        raise UserError(f"budgets is {budgets!r}; allowed: a list of Budget")
    budgets = several
    seen: set[str] = set()
    for budget in budgets:
        if budget.name in seen:
            raise UserError(f"two budgets are named {budget.name!r}; give each a name of its own")
        seen.add(budget.name)
    return budgets


def _check_levels(budgets: Sequence[Budget], levels: int) -> None:
    for budget in budgets:
        for level in budget.levels or ():
            if not 0 <= level < levels:
                raise UserError(
                    f"budget {budget.name!r} names level {level}; allowed: 0 to {levels - 1}"
                )


def _weights(budget: Budget, levels: int) -> tuple[FloatArray, FloatArray]:
    counted = np.ones(levels, dtype=bool)
    if budget.levels is not None:
        counted[:] = False
        counted[list(budget.levels)] = True
    return MEASURES.get(budget.measure)(counted)
