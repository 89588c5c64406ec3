"""What the network is taught: states of users, with the values the plan gives to their levels.

Histories are taken from the log and then continued: the model plays the users, the plan decides at
prices of all sizes, so that states that a policy in use will meet are taught as well as those of
the log. Targets are expectations under the belief: they have no sampling noise.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bcrlsp.features import Carry, FeatureSet, Records, record_of
from bcrlsp.learning.planner.dynamics import Values
from bcrlsp.learning.planner.histories import Histories, Panel, panel
from bcrlsp.learning.planner.likelihood import Belief
from bcrlsp.learning.planner.masks import Masks
from bcrlsp.learning.planner.response import Floats, Response

# Longest part of a logged history that is followed; beliefs of longer ones hardly change.
_LONGEST = 90
# States are taught every few periods: neighbours say nearly the same.
_LOGGED_EVERY, _PLAYED_EVERY = 6, 2
# How far the prices of the continued histories stray from the plan's (log-normal).
_STRAY = 0.7
# A price to stray from where the plan's is nil, as a share of a return a unit of the top amount.
_LOW_PRICE = 0.05


@dataclass(frozen=True, eq=False)
class DistillationSet:
    """m states. states: float32 (m, d). values, costs: float32 (m, a), see `dynamics.Values`."""

    states: NDArray[np.float32]
    values: NDArray[np.float32]
    costs: NDArray[np.float32]


def distillation_set(
    response: Response,
    plan: Values,
    price: float,
    histories: Histories,
    states: NDArray[np.float32],
    feature_set: FeatureSet,
    *,
    horizon: int,
    exploration: float,
    masks: Masks,
    seed: int,
) -> DistillationSet:
    """States of the log and of histories continued for `horizon` periods.

    plan: values at `price`. histories: the users to follow. states: float32 (rows, d), the log's.
    """
    rng = np.random.default_rng(seed)
    table = np.concatenate([plan.reward, plan.cost], axis=1)
    longest = int(min(np.diff(histories.offsets).max(), _LONGEST))
    shown = panel(histories, longest)
    belief = Belief(response, histories.users)
    carry = feature_set.init(histories.users)
    seen: list[tuple[NDArray[np.float32], Floats]] = []
    for t in range(longest):
        if (longest - 1 - t) % _LOGGED_EVERY == 0:
            here = shown.present[t]
            seen.append((states[shown.rows[t, here]], belief.expect(table)[here]))
        belief.update(shown.levels[t], shown.returned[t], shown.present[t])
        carry = feature_set.update(carry, _logged(shown, t))
    seen += _played(
        response, table, price, belief, carry, feature_set, horizon, exploration, masks, rng
    )
    known = np.concatenate([values for _, values in seen]).astype(np.float32)
    levels = response.structure.levels
    return DistillationSet(
        np.concatenate([each for each, _ in seen]), known[:, :levels], known[:, levels:]
    )


def _played(
    response: Response,
    table: Floats,
    price: float,
    belief: Belief,
    carry: Carry,
    feature_set: FeatureSet,
    horizon: int,
    exploration: float,
    masks: Masks,
    rng: np.random.Generator,
) -> list[tuple[NDArray[np.float32], Floats]]:
    """The histories go on: the plan decides, users drawn from the belief answer."""
    structure = response.structure
    users = len(belief.states)
    everyone = np.arange(users)
    begin, kind = belief.draw(rng.random(users))
    # The plan's values are net of its price: a user's own price may ask for more, or for less.
    usual = max(price, _LOW_PRICE / max(structure.amounts))
    more = usual * np.exp(_STRAY * rng.standard_normal(users)) - price
    seen: list[tuple[NDArray[np.float32], Floats]] = []
    for t in range(horizon):
        known = belief.expect(table)
        if t % _PLAYED_EVERY == 0:
            # The calendar's columns are not taught: any period's number will do.
            seen.append((feature_set.features(carry, 0), known))
        value, cost = known[:, : structure.levels], known[:, structure.levels :]
        may = masks.draw(users, rng)
        levels = np.where(may, value - more[:, None] * cost, -np.inf).argmax(axis=1)
        stray, other = rng.random(users) < exploration, rng.integers(0, structure.levels, users)
        levels = np.where(stray & may[everyone, other], other, levels)
        state = belief.states[everyone, begin]
        returned = rng.random(users) < response.returns[state, levels, kind]
        belief.update(levels, returned)
        carry = feature_set.update(carry, record_of(levels, returned))
    return seen


def _logged(shown: Panel, t: int) -> Records:
    """A return counts as one event: numbers of events are not taught."""
    return Records(shown.present[t], shown.returned[t].astype(np.int64), shown.levels[t])
