"""The policy that wrote the log.

It follows a rule of thumb that a marketing team would: the longer a user has been away, the higher
the bonus; less often to those who just had one. It sees the log's own events and nothing else, so
that anyone who has the events can compute its propensities again.
"""

import numpy as np
from numpy.typing import NDArray

from bcrlsp.market.chain import Floats, Ints
from bcrlsp.market.play import Bools
from bcrlsp.market.settings import BehaviourSettings

# How many past periods the policy looks at; an absence longer than this counts as this long.
WINDOW = 7
_RECENT = 2


class Behaviour:
    """The logging policy.

    settings: its noise and how often it sends nothing.
    levels: number of levels, level 0 included.
    """

    def __init__(self, settings: BehaviourSettings, levels: int) -> None:
        self._settings = settings
        self._levels = levels

    def propensities(self, levels: Ints, returned: Bools) -> Floats:
        """Probability of each level, array (n, a), rows add up to 1.

        levels, returned: arrays (periods, n), the log's past, oldest first; only the last `WINDOW`
        periods matter, and periods before the log count as absences without a bonus.
        """
        users = levels.shape[1]
        away = _away(returned[-WINDOW:], users)
        teased = (levels[-_RECENT:] > 0).any(axis=0)
        settings = self._settings
        nothing = settings.no_send_probability + settings.no_send_variation * (
            teased.astype(np.float64) - (away > WINDOW // 2)
        )
        nothing = np.clip(nothing, 0.0, 0.98)
        bonuses = self._levels - 1
        favourite = 1 + np.minimum(away * bonuses // WINDOW, bonuses - 1)
        chance = np.full((users, self._levels), settings.noise / bonuses)
        chance[np.arange(users), favourite] += 1 - settings.noise
        chance *= (1 - nothing)[:, None]
        chance[:, 0] = nothing
        return chance

    def decide(self, propensities: Floats, uniforms: NDArray[np.float64]) -> Ints:
        """Levels drawn from the propensities (n, a) with one uniform number a user (n,)."""
        edges = np.cumsum(propensities, axis=1)
        drawn: Ints = (uniforms[:, None] * edges[:, -1:] >= edges).sum(axis=1)
        return np.minimum(drawn, self._levels - 1)


def _away(returned: Bools, users: int) -> Ints:
    """Periods since the last return (0: the last period), at most `WINDOW`."""
    away = np.full(users, WINDOW, dtype=np.int64)
    for back, column in enumerate(returned[::-1]):
        away = np.where((away == WINDOW) & column, back, away)
    return away
