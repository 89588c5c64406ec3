"""Target probabilities of policies that choose by value: greedy, by a price, softened.

An allocation under a budget chooses argmax_a q(x, a) - price · cost(x, a) for every user but the
few at a tie, so its price makes it a policy that can be evaluated.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from bcrlsp.arrays import as_flags, as_numbers
from bcrlsp.errors import ConfigError, DataError
from bcrlsp.evaluation.log import Bools, Floats
from bcrlsp.evaluation.reading import SUM_TOLERANCE


def greedy(q: ArrayLike, *, allowed: ArrayLike | None = None) -> Floats:
    """All mass on the allowed level of the largest value; the lowest level among equals.

    q: array (n, a). allowed: bool array (n, a). Returns array (n, a). DataError where a value is
    nan, or no level is allowed.
    """
    values = _values(q)
    return _choose(values, np.zeros_like(values), _mask(allowed, values))


def priced(
    q: ArrayLike, cost: ArrayLike, price: ArrayLike, *, allowed: ArrayLike | None = None
) -> Floats:
    """All mass on argmax_a q - price · cost; among equals the cheaper, then the lower level.

    q: array (n, a), expected retained periods. cost: array (n, a) or (a,), money. price: dual
    price of a unit of money, at least 0, one number or array (n,) (a price a row, such as one a
    period). Returns array (n, a). DataError or ConfigError for other shapes, nan, a price below 0.
    """
    values = _values(q)
    prices = as_numbers(price, "price")
    if prices.shape not in ((), (len(values),)):
        raise DataError(
            f"price has the shape {prices.shape}; allowed: one number, or ({len(values)},)"
        )
    if not (np.isfinite(prices) & (prices >= 0)).all():
        worst = prices.min()
        raise ConfigError(f"price is {worst}; allowed: finite and at least 0")
    try:
        costs = np.broadcast_to(as_numbers(cost, "cost"), values.shape)
    except DataError:
        raise
    except ValueError:
        raise DataError(
            f"cost has the shape {np.shape(cost)}; allowed: {values.shape} or ({values.shape[1]},)"
        ) from None
    if not np.isfinite(costs).all():
        row = int(np.argmin(np.isfinite(costs).all(axis=1)))
        raise DataError(f"cost is {costs[row].tolist()} in row {row}; allowed: finite numbers")
    scores = values - np.reshape(prices, (-1, 1)) * costs
    return _choose(scores, costs, _mask(allowed, values))


def smoothed(target: ArrayLike, epsilon: float, *, allowed: ArrayLike | None = None) -> Floats:
    """(1 - epsilon) · target + epsilon · uniform over the allowed levels, array (n, a).

    More epsilon makes the target easier to evaluate and less the policy that was meant. DataError
    where a row of the target is no distribution.
    """
    if not isinstance(epsilon, int | float | np.number) or not 0 <= epsilon <= 1:
        raise ConfigError(f"epsilon is {epsilon!r}; allowed: 0 to 1")
    values = _values(target)
    sums = values.sum(axis=1)
    bad = (values < 0).any(axis=1) | (np.abs(sums - 1) > SUM_TOLERANCE)
    if bad.any():
        row = int(np.argmax(bad))
        raise DataError(
            f"target is {values[row].tolist()} in row {row}, its sum {sums[row]:.6g}; allowed: "
            "probabilities from 0 to 1 whose sum is 1"
        )
    mask = _mask(allowed, values)
    uniform = mask / mask.sum(axis=1, keepdims=True)
    return np.asarray((1 - epsilon) * values + epsilon * uniform, dtype=np.float64)


def _choose(scores: Floats, costs: Floats, allowed: Bools) -> Floats:
    masked = np.where(allowed, scores, -np.inf)
    best = masked == masked.max(axis=1, keepdims=True)
    chosen = np.argmin(np.where(best, costs, np.inf), axis=1)
    target = np.zeros_like(scores)
    target[np.arange(len(scores)), chosen] = 1.0
    return target


def _values(values: ArrayLike) -> Floats:
    array = as_numbers(values, "values")
    if array.ndim != 2 or array.shape[1] < 1:
        raise DataError(f"values have the shape {array.shape}; allowed: (rows, levels)")
    bad = ~np.isfinite(array)
    if bad.any():
        row, level = np.argwhere(bad)[0]
        raise DataError(
            f"the value is {array[row, level]} in row {row}, level {level}; allowed: finite "
            "numbers, and `allowed` to exclude a level"
        )
    return array


def _mask(allowed: ArrayLike | None, values: Floats) -> Bools:
    if allowed is None:
        return np.ones(values.shape, dtype=np.bool_)
    mask = as_flags(allowed, "allowed")
    if mask.shape != values.shape:
        raise DataError(f"allowed has the shape {mask.shape}; allowed: {values.shape}")
    empty = np.logical_not(mask.any(axis=1))
    if empty.any():
        raise DataError(
            f"no level is allowed in row {int(np.argmax(empty))}; allow level 0 at least"
        )
    return mask
