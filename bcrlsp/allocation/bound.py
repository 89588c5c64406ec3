"""What no point of the linear program can pass, from the prices that a search found."""

import math
from fractions import Fraction

import numpy as np

from bcrlsp.allocation.blocks import Source
from bcrlsp.allocation.kernels import JITTER
from bcrlsp.allocation.objective import Objective
from bcrlsp.allocation.rows import FloatArray, Rows
from bcrlsp.allocation.search import Found


def dual_bound(source: Source, rows: Rows, objective: Objective, found: Found) -> float:
    """An upper bound on the objective of every feasible point of the linear program.

    D(y) = Σ_u max_a (merit - y·w) + y·rhs at the program's prices y where all near users are in
    it: the others choose alike all over the box. Else at the pass's own prices. Sums are exact;
    the slack covers what they were rounded by, the jitter between equal users and the rounding
    of scores.
    """
    core = found.core
    inside = found.whole
    prices = found.solution.prices if inside else found.centre
    total = Fraction(found.total)
    for price, used, limit in zip(prices, found.used, rows.exact, strict=True):
        total += Fraction(float(price)) * (limit - used)
    if inside and len(core.users):
        merit = objective.merit(core.users)
        paid = rows.weights(core.users.cost)
        priced = rows.by_pattern(rows.sign * prices)[core.users.code]
        score = merit - np.einsum("mp,mpa->ma", priced, paid)
        base = score[np.arange(len(merit)), core.base]
        total += Fraction(math.fsum(score.max(axis=1) - base))
    whole = total + _slack(source, rows, objective, prices)
    bound = float(whole)
    return bound if bound == whole else math.nextafter(bound, math.inf)


def rounding_of(source: Source, rows: Rows, objective: Objective, found: Found) -> float:
    """What rounding may have added to the `dual_bound`, in the objective's units."""
    prices = found.solution.prices if found.whole else found.centre
    return 2.0 * float(_slack(source, rows, objective, prices))


def _slack(source: Source, rows: Rows, objective: Objective, prices: FloatArray) -> Fraction:
    largest = np.sum(prices * rows.largest_use(source.top_cost) * rows.users)
    ceiled = (
        np.sum(prices * rows.alpha.max(axis=1)[rows.pattern] * rows.users) if len(rows) else 0.0
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
