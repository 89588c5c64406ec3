"""Exact dynamic programming on the small chain of each class, and the price that fits a budget."""

from dataclasses import dataclass

import numpy as np

from bcrlsp.learning.planner.masks import Masks
from bcrlsp.learning.planner.response import Floats, Ints, Response, Structure

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


def values(
    response: Response, spending: Floats, gamma: float, price: float, masks: Masks | None = None
) -> Values:
    r"""The optimal values of a net reward, by policy iteration: exact but for rounding.

    .. math:: Q(s, a) = P - \lambda C + \gamma\,[P\,V(s_1) + (1 - P)\,V(s_0)],
              \quad V(s) = E_M \max_{a \in M} Q(s, a)

    where P is the probability of a return, C the expected cost and s_1, s_0 the states after a
    return and an absence (Howard 1960; Puterman 1994, section 6.4). spending: array (2, a, k),
    expected cost of a level given absence and return. gamma: discount a period, in [0, 1).
    price: value of a unit of money (lambda), >= 0. masks: law of the allowed levels M; None: all.
    """
    masks = masks or Masks.none(response.structure.levels)
    chance = response.returns
    cost = _cost(response, spending)
    net = chance - price * cost
    away, back = _successors(response.structure)
    levels = masks.best(net)  # (m, s, k)
    while True:
        taken = masks.mixed(levels)
        followed = (taken * net).sum(axis=1)  # (s, k)
        flow = _flow(response, taken)  # (k, s, s)
        best = np.linalg.solve(np.eye(len(followed)) - gamma * flow, followed.T[..., None])[
            ..., 0
        ].T
        reward = net + gamma * (chance * best[back] + (1 - chance) * best[away])
        better = masks.better(reward, levels, _TOLERANCE)
        if not better.any():
            return Values(reward, cost)
        levels = np.where(better, masks.best(reward), levels)


def price_of(
    response: Response, spending: Floats, gamma: float, budget: float, masks: Masks | None = None
) -> float:
    """The price at which the plan, followed for good, spends the budget: money a user and period.

    0 where the plan leaves some of it at price 0. The plan sees each user's state and class, so
    that this is the price of an ideal observer; the budget program of a period finds its own.
    """

    def spend_at(price: float) -> float:
        return stationary_spend(response, values(response, spending, gamma, price, masks), masks)

    if spend_at(0.0) <= budget:
        return 0.0
    # In returns for the dearest level's face value: the unit of money is the user's own.
    unit = 1 / max(response.structure.amounts)
    # A price above 1 / (1 - gamma) returns a unit of money is too dear for any level above 0.
    low, high = 0.0, unit
    while spend_at(high) > budget:
        low, high = high, 4 * high
        if high > 1e6 * unit:
            return low
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if spend_at(middle) > budget else (low, middle)
    return high


def stationary_spend(response: Response, plan: Values, masks: Masks | None = None) -> float:
    """Money a user and period that the greedy plan spends in the long run."""
    structure = response.structure
    masks = masks or Masks.none(structure.levels)
    taken = masks.mixed(masks.best(plan.reward))
    # The lazy chain has the same stationary shares and no cycles; 2^12 steps from everywhere.
    steps = (_flow(response, taken) + np.eye(structure.states)) / 2
    for _ in range(12):
        steps = steps @ steps
    occupied = steps[:, structure.start].mean(axis=1)  # (k, s)
    spent = (occupied.T * (taken * plan.cost).sum(axis=1)).sum(axis=0)
    return float(response.shares @ spent)


def _flow(response: Response, taken: Floats) -> Floats:
    """Transition probabilities where levels have the probabilities (s, a, k): array (k, s, s)."""
    states, _, kinds = taken.shape
    flow = np.zeros((kinds, states, states))
    place, kind = np.indices((states, kinds))
    for level in range(response.structure.levels):
        chance, sent = response.returns[:, level], int(level > 0)
        for returned, share in ((0, 1 - chance), (1, chance)):
            following = response.structure.after[returned][sent][place]
            np.add.at(flow, (kind, place, following), taken[:, level] * share)
    return flow


def _cost(response: Response, spending: Floats) -> Floats:
    """Expected cost, array (s, a, k), from what a level costs on absence and on return."""
    chance = response.returns
    return np.asarray(chance * spending[1] + (1 - chance) * spending[0])


def _successors(structure: Structure) -> tuple[Ints, Ints]:
    """State after an absence and after a return, arrays (s, a)."""
    sent = (np.arange(structure.levels) > 0).astype(np.int64)
    return structure.after[0][sent].T, structure.after[1][sent].T
