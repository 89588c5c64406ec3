"""What no point of the linear program can pass, from the prices that a search found."""

import math
from fractions import Fraction

import numpy as np

from bcrlsp.allocation.dual.search import SearchResult
from bcrlsp.allocation.passes.blocks import Source
from bcrlsp.allocation.passes.kernels import JITTER
from bcrlsp.allocation.passes.objective import Objective
from bcrlsp.allocation.problem.constraints import Constraints, FloatArray


def dual_bound(
    source: Source, constraints: Constraints, objective: Objective, search_result: SearchResult
) -> float:
    """An upper bound on the objective of every feasible point of the linear program.

    D(y) = Σ_u max_a (coefficient - y·w) + y·rhs at the program's prices y where all undecided users
    are in
    it: the others choose alike all over the box. Else at the pass's own prices. Sums are exact;
    the slack covers what they were rounded by, the jitter between equal users and the rounding
    of scores.
    """
    restricted = search_result.restricted
    inside = search_result.whole
    prices = search_result.solution.prices if inside else search_result.centre
    total = Fraction(search_result.total)
    for price, used, limit in zip(prices, search_result.used, constraints.exact, strict=True):
        total += Fraction(float(price)) * (limit - used)
    if inside and len(restricted.users):
        coefficient = objective.coefficient(restricted.users)
        paid = constraints.weights(restricted.users.cost)
        priced = constraints.by_pattern(constraints.sign * prices)[restricted.users.group_index]
        score = coefficient - np.einsum("mp,mpa->ma", priced, paid)
        base = score[np.arange(len(coefficient)), restricted.base]
        total += Fraction(math.fsum(score.max(axis=1) - base))
    whole = total + _slack(source, constraints, objective, prices)
    bound = float(whole)
    return bound if bound == whole else math.nextafter(bound, math.inf)


def rounding_of(
    source: Source, constraints: Constraints, objective: Objective, search_result: SearchResult
) -> float:
    """What rounding may have added to the `dual_bound`, in the objective's units."""
    prices = search_result.solution.prices if search_result.whole else search_result.centre
    return 2.0 * float(_slack(source, constraints, objective, prices))


def _slack(
    source: Source, constraints: Constraints, objective: Objective, prices: FloatArray
) -> Fraction:
    largest = np.sum(prices * constraints.largest_use(source.top_cost) * constraints.users)
    ceiled = (
        np.sum(prices * constraints.alpha.max(axis=1)[constraints.pattern] * constraints.users)
        if len(constraints)
        else 0.0
    )
    exact = source.units.exact
    used = objective.weight if source.scale > 0.0 else 0.0
    objective_units = source.users * source.units.value * used / 2.0
    doubt = (
        objective_units
        + (0.0 if exact else float(ceiled) * source.units.cost)
        + float(largest) * (JITTER if source.users > 1 else 0.0)
        + (source.users * objective.scale(source) + float(largest)) * 2.0**-50
    )
    return Fraction(doubt)
