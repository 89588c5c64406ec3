"""What the policy's network is taught: features of users, with the values the plans give.

Histories of the log are followed and then continued: the ensemble plays the users, its plans decide
at prices of all sizes. Values of a history are the members' mean, so that what a network learns of
all histories with the same features is their expectation.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bcrlsp.features import Carry, FeatureSet, Records, record_of
from bcrlsp.learning.planner.distillation_set import DistillationSet
from bcrlsp.learning.planner.masks import Masks
from bcrlsp.learning.recurrent.ensemble import Combine
from bcrlsp.learning.recurrent.member import moved
from bcrlsp.learning.recurrent.sequences import Rules, Sequences
from bcrlsp.learning.recurrent.values import Valued
from bcrlsp.policies import traces

Floats = NDArray[np.float64]

_LOGGED_EVERY, _PLAYED_EVERY = 6, 2
_STRAY = 0.6
# Planes that a plan does not tell of: a return counts as one event.
_UNTOLD = {"events"}


@dataclass(frozen=True)
class TeachSettings:
    """horizon: periods that histories are continued. exploration: share of random levels."""

    horizon: int
    exploration: float


def told(feature_set: FeatureSet) -> NDArray[np.bool_]:
    """Columns that the network may look at, bool (d,)."""
    return np.array([not _UNTOLD & set(feature.planes) for feature in feature_set.declared])


class Crowd:
    """Users at the start of the last period of some logged histories, and as they live on.

    states: float32 (n, WIDTH). angles: float64 (n, pairs). carry: what the features remember.
    """

    def __init__(
        self,
        held: Sequences,
        rules: Rules,
        feature_set: FeatureSet,
        shares: tuple[float, ...],
    ) -> None:
        self._rules, self._features, self._shares = rules, feature_set, shares
        self.last = held.present.sum(axis=1) - 1
        everyone = np.arange(len(held))
        self.states = traces.history(shares, held.levels, held.outcome)[everyone, self.last]
        self.angles: Floats = rules.angles_of(held.calendar[everyone, self.last])
        self.carry: Carry = feature_set.init(len(held))
        for t in range(held.periods):
            known = held.present[:, t] & (t < self.last)
            records = Records(known, held.outcome[:, t].astype(np.int64), held.levels[:, t])
            self.carry = np.where(known, feature_set.update(self.carry, records), self.carry)

    @property
    def waves(self) -> NDArray[np.float32]:
        """Calendar inputs of the period, (n, c)."""
        return self._rules.waves(self.angles)

    @property
    def features(self) -> NDArray[np.float32]:
        """What a policy sees of the users, (n, d), in the place of the cycle where they are."""
        shown = self._features.features(self.carry, 0)
        for pair, (sine, cosine) in enumerate(self._rules.calendar):
            shown[:, sine] = np.sin(self.angles[:, pair])
            shown[:, cosine] = np.cos(self.angles[:, pair])
        return shown

    def move(self, levels: NDArray[np.integer], back: NDArray[np.bool_]) -> None:
        """One period passes."""
        self.states = moved(self.states, self._shares, levels, back)
        self.angles = self.angles + self._rules.turn
        self.carry = self._features.update(self.carry, record_of(levels, back))


def distillation_set(
    members: Sequence[Valued],
    crowd: Crowd,
    held: Sequences,
    combine: Combine,
    states: NDArray[np.float32],
    masks: Masks,
    settings: TeachSettings,
    seed: int,
) -> tuple[DistillationSet, float]:
    """What is taught, values net of a price, and that price.

    crowd: of the histories `held`. states: (rows, d), the log's.
    """
    rng = np.random.default_rng([seed, 5])
    price = float(np.mean([member.price for member in members]))
    seen = [_logged(members, held, crowd.last, combine, states, price)]
    users = len(held)
    stray = price * np.exp(_STRAY * rng.standard_normal(users))
    for t in range(settings.horizon):
        values, costs, chances = _look(members, crowd, combine)
        if t % _PLAYED_EVERY == 0:
            seen.append((crowd.features, values - price * costs, costs))
        may = masks.draw(users, rng)
        scores = np.where(
            (rng.random(users) < settings.exploration)[:, None],
            rng.random(values.shape),
            values - stray[:, None] * costs,
        )
        levels = np.where(may, scores, -np.inf).argmax(axis=1)
        crowd.move(levels, rng.random(users) < chances[np.arange(users), levels])
    parts = [np.concatenate([each[k] for each in seen]).astype(np.float32) for k in range(3)]
    return DistillationSet(*parts), price


def _look(
    members: Sequence[Valued], crowd: Crowd, combine: Combine
) -> tuple[Floats, Floats, Floats]:
    """Values, costs and chances of activity of each level now, (n, a) each."""
    told, chances = [], []
    for valued in members:
        outlook = valued.member.outlook(crowd.states, crowd.waves)
        value = valued.worth(outlook, valued.ahead(crowd.states, crowd.angles))
        told.append((value.astype(np.float64), outlook.costs.astype(np.float64)))
        chances.append(outlook.chance)
    return *combine(told), np.mean(chances, axis=0, dtype=np.float64)


def _logged(
    members: Sequence[Valued],
    held: Sequences,
    last: NDArray[np.integer],
    combine: Combine,
    states: NDArray[np.float32],
    price: float,
) -> tuple[NDArray[np.float32], Floats, Floats]:
    """Rows of the log every few periods: their features, net values and costs."""
    back = last[:, None] - np.arange(held.periods)
    here = held.present & (back >= 0) & (back % _LOGGED_EVERY == 0)
    known = traces.history(members[0].member.shape.shares, held.levels, held.outcome)[here]
    angles = members[0].rules.angles_of(held.calendar[here])
    values, costs = combine([valued.evaluate(known, angles) for valued in members])
    return states[held.rows[here]], values - price * costs, costs
