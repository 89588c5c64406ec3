"""Plays rules in worlds and against the log: what each keeps of users at the budget's spend.

A rule is a policy and the budget program of each period, as the product decides. Every rule of a
world meets the same users with the same luck, so that differences between rules are free of most of
it; rewards are counted as expected, not as drawn.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bcrlsp.learning.auto.worlds import World, some
from bcrlsp.learning.recurrent.learner import Learned
from bcrlsp.policies import Policy

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# How fast what was realised of planned spend is forgotten, and how far it may steer.
_FADE, _MOST = 0.7, 4.0
_BISECTIONS, _DEAREST = 40, 1e12


@dataclass(frozen=True, eq=False)
class Played:
    """What a rule did in a world. reward: (n,), a user's mean a period. spend: money a user and
    period. levels: (a,), share of decisions at each."""

    reward: Floats
    spend: float
    levels: Floats


@dataclass(frozen=True)
class Ground:
    """Where rules are played. learned: the log's histories and the masks of its users. budget:
    money a user and period. users: of each world. periods: played."""

    learned: Learned
    budget: float
    users: int
    periods: int
    seed: int


def play(ground: Ground, world: World, policy: Policy) -> Played:
    """Plays a policy and the budget program; realised spend is steered to the budget."""
    pieces = some(world.pieces, ground.users, ground.seed)
    crowd = ground.learned.crowd(pieces)
    mind = world.mind(ground.learned.held.of(pieces), ground.seed)
    users = len(pieces)
    every = np.arange(users)
    luck = np.random.default_rng([ground.seed, 11])
    masks = np.random.default_rng([ground.seed, 12])
    reward, spend, planned = np.zeros(users), 0.0, 0.0
    realised, counts = 0.0, np.zeros(policy.levels)
    for _ in range(ground.periods):
        steer = planned / realised if realised > 0 and planned > 0 else 1.0
        limit = ground.budget * users * float(np.clip(steer, 1 / _MOST, _MOST))
        may = np.array(ground.learned.masks.draw(users, masks))
        levels, cost = decide(policy, crowd.features, limit, may)
        answers = mind.answers(crowd)
        reward += answers.rewards[every, levels]
        paid = float(answers.costs[every, levels].sum())
        spend += paid
        counts += np.bincount(levels, minlength=policy.levels)
        planned, realised = _FADE * planned + cost, _FADE * realised + paid
        back = luck.random(users) < answers.chances[every, levels]
        mind.move(levels, back)
        crowd.move(levels, back)
    decisions = users * ground.periods
    return Played(reward / ground.periods, spend / decisions, counts / decisions)


def decide(
    policy: Policy,
    states: NDArray[np.float32],
    limit: float,
    may: NDArray[np.bool_] | None = None,
) -> tuple[Ints, float]:
    """Levels (n,) that are worth most within a limit, and the money that they are planned to cost.

    The budget program with one row, by its price: users whose level is another one just below the
    price get that one, in an order that says nothing of them, for as long as the limit allows.
    limit: money of all users. may: allowed levels, bool (n, a); support advises, a mask binds.
    """
    value, cost = policy.evaluate(states)
    supported = policy.supported(states)
    if may is not None:
        both = supported & may
        supported = np.where(both.any(axis=1, keepdims=True), both, may)
    value = np.where(supported, value, -np.inf)
    every = np.arange(len(value))

    def best(price: float) -> tuple[Ints, float]:
        levels = (value - price * cost).argmax(axis=1)
        return levels, float(cost[every, levels].sum())

    low, high = 0.0, 1.0 / max(float(cost.max()), 1e-12)
    dear = best(low)
    if dear[1] <= limit:
        return dear
    cheap = best(high)
    while cheap[1] > limit and high < _DEAREST:
        low, dear, high = high, cheap, 4 * high
        cheap = best(high)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        found = best(middle)
        if found[1] > limit:
            low, dear = middle, found
        else:
            high, cheap = middle, found
    levels, spent = cheap
    more = np.random.default_rng(0).permutation(np.flatnonzero(dear[0] != levels))
    added = cost[more, dear[0][more]] - cost[more, levels[more]]
    taken = more[np.cumsum(added) <= limit - spent]
    levels = levels.copy()
    levels[taken] = dear[0][taken]
    return levels, float(cost[every, levels].sum())


def gain(one: Played, other: Played) -> tuple[float, float]:
    """Mean difference of the rewards of a user and period, and its standard error over users."""
    apart = one.reward - other.reward
    return float(apart.mean()), float(apart.std() / np.sqrt(max(len(apart), 1)))


@dataclass(frozen=True, eq=False)
class Logged:
    """Rows of the log with what members that have not seen their users expect of every level.

    rows: int64 (n,), among the transitions. expected: (n,), reward of the logged level. actual,
    propensities: (n,). levels, users: int64 (n,).
    """

    rows: Ints
    expected: Floats
    actual: Floats
    levels: Ints
    propensities: Floats
    users: Ints

    @property
    def known(self) -> bool:
        """Whether propensities are."""
        return bool(np.isfinite(self.propensities).all())


# Periods in a row in which the log did what the rule would have done, by chance.
DEPTHS = (1, 2, 4, 8)


def surprises(
    logged: Logged, policy: Policy, states: NDArray[np.float32], budget: float
) -> tuple[Floats, Floats]:
    r"""How much more the log's users did on the rule's own path than the models expected.

    .. math:: b_k = \frac{\sum_t w_t (r_t - \hat r_t)}{\sum_t w_t}, \quad
              w_t = \prod_{j = t - k + 1}^{t} \frac{1[a_j = \ell_j]}{e_j}

    with the rule's levels :math:`\ell` at the budget and the logged propensities e: for k = 1 the
    correction of the doubly robust estimate (Dudik, Langford and Li 2011); for more, that on
    histories which the rule itself has led to for k periods (weights of Precup 2000, normalised).
    Below 0, the rule goes where the models think too much of it. Returns b and its standard error,
    users apart, arrays (depths,). states: (rows of the log, d).
    """
    shown = states[logged.rows]
    levels, _ = decide(policy, shown, budget * len(shown))
    ratio = np.where(levels == logged.levels, 1 / logged.propensities, 0.0)
    off = logged.actual - logged.expected
    found = np.zeros((2, len(DEPTHS)))
    follows = np.diff(logged.users, prepend=-1) == 0
    weight, depth = ratio.copy(), 1
    for place, wanted in enumerate(DEPTHS):
        while depth < wanted:
            # The weights of one period less, a period earlier; a history begins with none.
            earlier = np.where(follows, np.roll(weight, 1), 0.0)
            weight, depth = ratio * earlier, depth + 1
        total = weight.sum()
        if total <= 0:
            found[:, place] = 0.0, np.inf
            continue
        mean = float((weight * off).sum() / total)
        sums = np.bincount(logged.users, weights=weight * (off - mean))
        found[:, place] = mean, np.sqrt((sums**2).sum()) / total
    return found[0], found[1]


def rates(values: Sequence[float]) -> tuple[float, float]:
    """Mean and standard deviation of some estimates (0 for one alone)."""
    array = np.asarray(values, float)
    return float(array.mean()), float(array.std(ddof=1)) if len(array) > 1 else 0.0
