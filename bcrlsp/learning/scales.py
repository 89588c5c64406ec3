"""Units that rewards and costs are learned in, so that a network meets numbers near 1.

Values and costs are given back in the log's own units. A log with rewards of 0 and 1 is learned as
it is; the same log in other money is the same to the network.

Rewards that have a large part in common are learned without it, or what levels differ by would be
lost beside it. Every value is learned as its difference from one number b. The Bellman equation of
values less b has the reward

    r - b + gamma^n b  where a next state follows after n periods,  r - b  where none does,

which changes no order of levels. b is such that these rewards are 0 in the mean.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bcrlsp.learning.transitions import Transitions

# An outlier is beyond so many times what 95 % of the amounts other than 0 do not pass; where so
# many of them or more are, they are no outliers.
_USUAL, _REWARDS, _COSTS, _FEW = 0.95, 100.0, 10.0, 0.005
# Rewards whose mean is so many standard deviations from 0 have a part in common.
_CLOSE = 3.0


@dataclass(frozen=True)
class Units:
    """reward: rewards that one unit of the values is. cost: money that one unit of the costs is.

    reward_limit, cost_limit: what lies beyond counts as the limit, in the log's units.
    base: b above, in the log's units.
    """

    reward: float = 1.0
    cost: float = 1.0
    reward_limit: float = float("inf")
    cost_limit: float = float("inf")
    base: float = 0.0

    def notes(self, transitions: Transitions, rows: NDArray[np.integer]) -> tuple[str, ...]:
        """What is said of them: lines for people, where something is not as it was logged."""
        lines = []
        if self.reward != 1.0:
            lines.append(f"rewards are learned in units of {self.reward:.6g}")
        if self.base:
            lines.append(
                f"rewards have a large part in common: values are learned less {self.base:.6g}"
            )
        for name, limit in (("reward", self.reward_limit), ("cost", self.cost_limit)):
            amounts = np.abs(getattr(transitions, f"{name}s")[rows])
            beyond = int((amounts > limit).sum())
            if beyond:
                lines.append(
                    f"{name}s beyond {limit:.6g} count as that: {beyond:,} of {len(rows):,} rows, "
                    f"the largest {amounts.max():.6g}"
                )
        return tuple(lines)


def units_of(
    transitions: Transitions,
    rows: NDArray[np.integer],
    amounts: tuple[float, ...],
    gamma: float | None = None,
) -> Units:
    """The units of some rows (m,); amounts: (a,) face values of the levels.

    gamma: discount of the values that are learned; None: rewards keep what they have in common.
    Rewards: the mean of their sizes other than 0, each counted as at most what 95 % do not pass:
    1 where they are 0 and 1. Costs: the largest, or where that is above the largest face value,
    what 95 % of the costs other than 0 do not pass.
    """
    rewards, costs = (
        np.abs(each[rows].astype(np.float64)) for each in (transitions.rewards, transitions.costs)
    )
    reward, reward_limit = 1.0, float("inf")
    some = rewards[rewards > 0]
    base = 0.0
    if gamma is not None and _have_common(rewards := transitions.rewards[rows].astype(np.float64)):
        ends = 1.0 - gamma * transitions.has_next[rows]
        base = float(rewards.mean() / ends.mean())
        reward = float(np.abs(rewards - base * ends).mean()) or 1.0
    elif len(some):
        usual = _usual(some)
        reward_limit = _limit(some, _REWARDS * usual)
        reward = float((np.minimum(some, usual) if np.isfinite(reward_limit) else some).mean())
    dearest = max(amounts)
    cost, cost_limit = max(1e-6 * dearest, float(costs.max(initial=0.0))), float("inf")
    if cost > dearest * (1 + 1e-6):  # by more than float32 rounds
        some = costs[costs > 0]
        cost = _usual(some)
        cost_limit = _limit(some, max(_COSTS * cost, dearest))
        if not np.isfinite(cost_limit):
            cost = float(some.mean())
    return Units(reward, cost, reward_limit, cost_limit, base)


def _have_common(rewards: NDArray[np.float64]) -> bool:
    """Whether rewards (m,) lie close together and far from 0; shares of a period do not."""
    if not len(rewards) or (rewards.min() >= 0.0 and rewards.max() <= 1.0):
        return False
    return bool(abs(rewards.mean()) > _CLOSE * rewards.std())


def _usual(some: NDArray[np.float64]) -> float:
    return float(np.quantile(some, _USUAL, method="lower"))


def _limit(some: NDArray[np.float64], limit: float) -> float:
    """The limit where few amounts are beyond it; infinity where none is, or they are not few."""
    beyond = float((some > limit).mean())
    return limit if 0 < beyond < _FEW or 0 < (some > limit).sum() <= 1 else float("inf")
