"""Exact dynamic programming on the small chain of each class, and the price that fits a budget."""

from dataclasses import dataclass

import numpy as np

from bcrlsp.planning.response import Floats, Ints, Response, Structure

# A level must be better by this much before a plan changes: rounding must not let it cycle.
_TOLERANCE = 1e-10
_BISECTIONS = 18


@dataclass(frozen=True, eq=False)
class Values:
    """What levels are worth and cost by state, level and class: arrays (s, a, k).

    reward: discounted expected returns less price x cost, the first cost included.
    cost: expected money in the period itself.
    """

    reward: Floats
    cost: Floats


def values(response: Response, spending: Floats, gamma: float, price: float) -> Values:
    r"""The optimal values of a net reward, by policy iteration: exact but for rounding.

    .. math:: Q(s, a) = P - \lambda C + \gamma\,[P\,V(s_1) + (1 - P)\,V(s_0)],
              \quad V(s) = \max_a Q(s, a)

    where P is the probability of a return, C the expected cost and s_1, s_0 the states after a
    return and an absence (Howard 1960; Puterman 1994, section 6.4). spending: array (2, a, k),
    expected cost of a level given absence and return. gamma: discount a period, in [0, 1).
    price: value of a unit of money (lambda), >= 0.
    """
    chance = response.returns
    cost = _cost(response, spending)
    net = chance - price * cost
    away, back = _successors(response.structure)
    levels = net.argmax(axis=1)  # (s, k)
    while True:
        followed = _take(net, levels)
        flow = _flow(response, levels)  # (k, s, s)
        best = np.linalg.solve(np.eye(len(levels)) - gamma * flow, followed.T[..., None])[..., 0].T
        reward = net + gamma * (chance * best[back] + (1 - chance) * best[away])
        better = reward.max(axis=1) > _take(reward, levels) + _TOLERANCE
        if not better.any():
            return Values(reward, cost)
        levels = np.where(better, reward.argmax(axis=1), levels)


def price_of(response: Response, spending: Floats, gamma: float, budget: float) -> float:
    """The price at which the plan, followed for good, spends the budget: money a user and period.

    0 where the plan leaves some of it at price 0. The plan sees each user's state and class, so
    that this is the price of an ideal observer; the budget program of a period finds its own.
    """
    if stationary_spend(response, values(response, spending, gamma, 0.0)) <= budget:
        return 0.0
    # A price above 1 / (1 - gamma) returns a unit of money is too dear for any level above 0.
    low, high = 0.0, 1.0
    while stationary_spend(response, values(response, spending, gamma, high)) > budget:
        low, high = high, 4 * high
        if high > 1e6:
            return low
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        spend = stationary_spend(response, values(response, spending, gamma, middle))
        low, high = (middle, high) if spend > budget else (low, middle)
    return high


def stationary_spend(response: Response, plan: Values) -> float:
    """Money a user and period that the greedy plan spends in the long run."""
    structure = response.structure
    levels = plan.reward.argmax(axis=1)  # (s, k)
    # The lazy chain has the same stationary shares and no cycles; 2^12 steps from everywhere.
    steps = (_flow(response, levels) + np.eye(structure.states)) / 2
    for _ in range(12):
        steps = steps @ steps
    occupied = steps[:, structure.start].mean(axis=1)  # (k, s)
    spent = (occupied.T * _take(plan.cost, levels)).sum(axis=0)
    return float(response.shares @ spent)


def _take(table: Floats, levels: Ints) -> Floats:
    """Entries of a table (s, a, k) at the levels (s, k): array (s, k)."""
    return np.asarray(np.take_along_axis(table, levels[:, None], axis=1)[:, 0])


def _flow(response: Response, levels: Ints) -> Floats:
    """Transition probabilities under the levels (s, k), array (k, s, s)."""
    states, kinds = levels.shape
    chance = _take(response.returns, levels)
    flow = np.zeros((kinds, states, states))
    place, kind = np.indices(levels.shape)
    for returned, share in ((0, 1 - chance), (1, chance)):
        following = response.structure.after[returned][(levels > 0).astype(np.int64), place]
        np.add.at(flow, (kind, place, following), share)
    return flow


def _cost(response: Response, spending: Floats) -> Floats:
    """Expected cost, array (s, a, k), from what a level costs on absence and on return."""
    chance = response.returns
    return np.asarray(chance * spending[1] + (1 - chance) * spending[0])


def _successors(structure: Structure) -> tuple[Ints, Ints]:
    """State after an absence and after a return, arrays (s, a)."""
    sent = (np.arange(structure.levels) > 0).astype(np.int64)
    return structure.after[0][sent].T, structure.after[1][sent].T
