"""Compiled looks at all users before the first pass."""

import numba
import numpy as np

from bcrlsp.compiled import compiled


@compiled(inline="always")
def _places(c, places, most, tolerance, largest):  # type: ignore[no-untyped-def]
    """The fewest decimal places, from `places` on, with which c can be written; most + 1: none."""
    if np.floor(c) == c:
        return places
    while places <= most:
        scaled = c * 10.0**places
        if scaled < largest and abs(scaled - np.rint(scaled)) <= scaled * tolerance:
            return places
        places += 1
    return places


@compiled()
def inspect_block(value, cost, group_index, most, tops):  # type: ignore[no-untyped-def]
    """(problem, row, level, largest |value|, largest cost, grid exponent, places).

    problem: 0 none, 1 value not finite, 2 cost not finite or below 0, 3 no allowed level. The rest
    as in fixed_point.Stats; most: decimal places to look for. tops: (g,) filled with the
    largest cost in each group.
    """
    top_value, top_cost, grid = 0.0, 0.0, 1023
    places = 0
    steps_a_unit = np.ldexp(1.0, -grid)
    for i in range(value.shape[0]):
        allowed, dearest = False, 0.0
        for a in range(value.shape[1]):
            v, c = np.float64(value[i, a]), np.float64(cost[i, a])
            if v == -np.inf:
                continue
            allowed = True
            if not np.isfinite(v):
                return 1, i, a, top_value, top_cost, grid, places
            if not (np.isfinite(c) and c >= 0.0):
                return 2, i, a, top_value, top_cost, grid, places
            top_value = max(top_value, abs(v))
            dearest = max(dearest, c)
            if np.floor(c * steps_a_unit) != c * steps_a_unit:
                while grid > -1000 and np.floor(np.ldexp(c, -grid)) != np.ldexp(c, -grid):
                    grid -= 1
                steps_a_unit = np.ldexp(1.0, -grid)
            if places <= most:
                places = _places(c, places, most, 2.0**-49, 2.0**40)
        top_cost = max(top_cost, dearest)
        tops[group_index[i]] = max(tops[group_index[i]], dearest)
        if not allowed:
            return 3, i, 0, top_value, top_cost, grid, places
    return 0, 0, 0, top_value, top_cost, grid, places


@compiled()
def _alike(x, y, part):  # type: ignore[no-untyped-def]
    """Whether two numbers differ, but by no more than `part` of the larger."""
    return x != y and abs(x - y) <= part * max(abs(x), abs(y)) and np.isfinite(x - y)


@compiled(parallel=True)
def find_alike(value, part, threads, found):  # type: ignore[no-untyped-def]
    """found: (n,) bool, set for users with two values that may differ by rounding alone."""
    n = value.shape[0]
    for t in numba.prange(threads):
        for i in range(n * t // threads, n * (t + 1) // threads):
            for a in range(1, value.shape[1]):
                x = value[i, a]
                undecided = part * abs(x)
                for b in range(a):
                    y = value[i, b]
                    if abs(x - y) <= undecided and x != y:
                        found[i] = True


@compiled()
def make_equal(value, part):  # type: ignore[no-untyped-def]
    """Raises values of a user that differ by rounding alone to the highest of them."""
    for i in range(value.shape[0]):
        for a in range(value.shape[1]):
            for b in range(a):
                if _alike(np.float64(value[i, a]), np.float64(value[i, b]), part):
                    value[i, a] = value[i, b] = max(value[i, a], value[i, b])
