"""The program of many users at once: what whole cells choose at other prices that were tried.

The exact sums of what the undecided users of a cell choose at a few prices in the box are columns
in the sense of Dantzig and Wolfe (1960): a mix of them is a fractional choice that every cell can
make. Nothing is sampled, so that one pass narrows a price down to the distance of two trial prices.
"""

import numpy as np
from scipy.stats import qmc

from bcrlsp.allocation.master.program import Program
from bcrlsp.allocation.passes.blocks import Answer
from bcrlsp.allocation.passes.kernels import JITTER
from bcrlsp.allocation.problem.constraints import Constraints, FloatArray, PriceTables
from bcrlsp.allocation.problem.fixed_point import Units

_SUMS = 4_000_000


def trial_prices_of(patterns: int, cells: int, levels: int) -> FloatArray:
    """(j, p) prices to try, as parts of the box: evenly spread."""
    room = max(4, _SUMS // (5 * cells * levels * 8))
    if patterns == 1:
        half = min(2048, max(32, room // 8), room // 2)
        steps = np.arange(1, half + 1) / half
        return np.concatenate([-steps[::-1], steps])[:, None]
    count = min(64, room)
    ends = np.concatenate([np.eye(patterns), -np.eye(patterns)]) * 0.5
    inner = (
        2.0 * qmc.Halton(patterns, scramble=False).random(max(count - len(ends), 1) + 1)[1:] - 1.0
    )
    return np.concatenate([ends, inner])


def build_columns(
    constraints: Constraints,
    answer: Answer,
    centre: FloatArray,
    weight: float,
    own: PriceTables,
    units: Units,
) -> Program:
    """The program over what the undecided users were seen to choose.

    centre: (k,) prices of the pass. weight, own: the objective, see search.Objective.
    Variable j of cell c, in the order c * trial prices + j, is try j.
    """
    change = (answer.trial_sums[:-1] - answer.trial_sums[-1]).astype(np.float64)
    trial_prices, _, cells, levels = change.shape
    group = np.arange(cells) // (cells // len(constraints.sizes))
    change = np.swapaxes(change, 0, 2).reshape(cells, 5, trial_prices, levels)
    value, count = change[:, 0] * units.value, change[:, 2]
    cost = (change[:, 4] * 2.0**units.bits + change[:, 1]) / units.per_cost
    jitter = change[:, 3] * (units.value * JITTER)
    gain = weight * (value + jitter).sum(axis=2)
    gain -= (own.cost[group][:, None] * cost + own.count[group][:, None] * count).sum(axis=2)
    used = cost @ constraints.alpha.T + count @ constraints.beta.T
    met = constraints.by_pattern(constraints.sign * centre)[group]
    net = gain - np.einsum("cp,cjp->cj", met, used)
    cell = np.repeat(np.arange(cells), trial_prices)
    each: FloatArray = used.reshape(cells * trial_prices, -1)
    return Program.of(constraints, group, cell, net.ravel(), each, 1.0)
