"""The optimum of a day in hindsight: a linear program that knew every request. Needs SciPy.

An upper bound on what any rule could earn that keeps the same ledger: masses of each type in each
half hour, parts of users allowed, redemptions at their true probabilities (not at their outcomes,
which nothing can know), the position of each budget within the limit in force at the end of each
half hour.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import coo_matrix

from bcrlsp.control.replay.day import DAY, SLOT, Day, Population

Floats = NDArray[np.float64]

_BIN = 1800.0


@dataclass(frozen=True)
class Optimum:
    """value: upper bound. prices: (k,), value of one more unit of money of each budget, all day.
    spend: (s, k), face value committed in each slot, on average over the half hour.
    duals: (k, 48), price of each half hour's end."""

    value: float
    prices: Floats
    spend: Floats
    duals: Floats


def hold_of(day: Day, seed: int = 0, draws: int = 20000) -> tuple[Floats, Floats]:
    """Ages (m,) and the share of face less redeemed money still held at each: (m,), by simulation
    of the scenario's own delays; the mean over redeemed and expired bonuses at a probability."""
    rng = np.random.default_rng(seed)
    delay = np.minimum(rng.gamma(2.0, day.scenario.delay / 2, draws), day.scenario.life)
    ages = np.arange(0.0, DAY + _BIN, _BIN / 2)
    return ages, np.array([(delay + day.scenario.lag > age).mean() for age in ages])


def optimum(day: Day, population: Population) -> Optimum:
    """See the module."""
    limits, amounts = day.scenario.limits, population.amounts
    bins = int(DAY / _BIN)
    types, levels = len(population.share), len(amounts)
    place = (day.times // _BIN).astype(int)
    counts = np.zeros((bins, types))
    np.add.at(counts, (place, day.kinds), 1)
    middle = (np.arange(bins) + 0.5) * _BIN
    redeems = population.redeems[None] * day.redemption_factor(middle)[:, None, None]
    paid = sum(population.paid) / 2
    ends = (np.arange(bins) + 1) * _BIN
    ages, waiting = hold_of(day)
    # An expired bonus comes back when its grace is over and the feed has passed its end.
    release = day.scenario.life + max(day.scenario.grace, day.scenario.lag)
    rows, columns, values = [], [], []
    bound = []
    at = np.arange(bins * types * (levels - 1)).reshape(bins, types, levels - 1)
    row = 0
    counts_of = population.counted(limits)
    for k, limit in enumerate(limits):
        counted = counts_of[:, k]
        for t in range(bins):
            age = ends[t] - middle[: t + 1]
            # Until its redemption is seen a redeemed bonus holds its face, then what was paid.
            early = np.interp(age, ages, waiting)[:, None, None]
            p = redeems[: t + 1, :, 1:]
            out = (age < release)[:, None, None]
            share = p * (early + (1 - early) * paid) + (1 - p) * out
            use = share * amounts[1:] * counted[None, :, None]
            chosen = use > 0
            rows.append(np.full(chosen.sum(), row))
            columns.append(at[: t + 1][chosen])
            values.append(use[chosen])
            in_force = next(x for x in day.limits_at(ends[t] - 1.0) if x.name == limit.name)
            bound.append(in_force.limit)
            row += 1
    for b in range(bins):
        for kind in range(types):
            rows.append(np.full(levels - 1, row))
            columns.append(at[b, kind])
            values.append(np.ones(levels - 1))
            bound.append(counts[b, kind])
            row += 1
    matrix = coo_matrix(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))),
        shape=(row, at.size),
    ).tocsr()
    gain = np.broadcast_to(population.gain[None, :, 1:], (bins, types, levels - 1))
    found = linprog(-gain.ravel(), A_ub=matrix, b_ub=np.array(bound), bounds=(0, None),
                    method="highs")  # fmt: skip
    if found.status != 0:
        raise RuntimeError(f"the hindsight program was not solved: {found.message}")
    duals = -found.ineqlin.marginals[: len(limits) * bins].reshape(len(limits), bins)
    mass = found.x.reshape(bins, types, levels - 1) * amounts[1:]
    spend = np.zeros((bins, len(limits)))
    for k in range(len(limits)):
        spend[:, k] = mass[:, counts_of[:, k]].sum(axis=(1, 2))
    slots = np.repeat(spend / (_BIN / SLOT), int(_BIN / SLOT), axis=0)
    return Optimum(float(-found.fun), duals.sum(axis=1), slots, duals)
