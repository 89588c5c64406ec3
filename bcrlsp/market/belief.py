"""What an ideal observer knows: a Bayes filter over the hidden state, from visible events alone.

Fatigue follows from the bonuses sent, so that only type and habit are uncertain. The filter knows
the market's law and sees what every policy sees: it is what perfect learning would reach.
"""

import numpy as np

from bcrlsp.market.chain import Chain, Floats, Ints
from bcrlsp.market.play import Bools, History


class Belief:
    """Posterior of type and habit for n users.

    chain: the market's law. initial: distribution over states (k, h, f) with all users at fatigue
    0, as at the start of a log; None: the chain's own.
    """

    def __init__(self, chain: Chain, users: int, initial: Floats | None = None) -> None:
        start = chain.initial if initial is None else initial
        prior = start.sum(axis=2)
        self._chain = chain
        self._posterior = np.repeat((prior / prior.sum())[None], users, axis=0)
        self._fatigue: Ints = np.zeros(users, dtype=np.int64)

    def update(self, levels: Ints, returned: Bools) -> None:
        """One more period was seen: levels (n,) and returned (n,)."""
        chance = self._chain.return_probability[:, :, self._fatigue, levels].transpose(2, 0, 1)
        back = self._posterior * chance
        away = self._posterior - back
        up, down = np.zeros_like(back), np.zeros_like(away)
        up[:, :, 1:] = back[:, :, :-1]
        up[:, :, -1] += back[:, :, -1]
        down[:, :, :-1] = away[:, :, 1:]
        down[:, :, 0] += away[:, :, 0]
        seen = np.where(returned[:, None, None], up, down)
        self._posterior = seen / seen.sum(axis=(1, 2), keepdims=True)
        self._fatigue = self._chain.next_fatigue[(levels > 0).astype(np.int64), self._fatigue]

    def follow(self, history: History) -> None:
        """Updates with every period of a history."""
        for levels, returned in zip(history.levels, history.returned, strict=True):
            self.update(levels, returned)

    def expect(self, values: Floats) -> Floats:
        """Expected values under the posterior.

        values: array (k, h, f, a), or (s, a). Returns array (n, a).
        """
        cube = values.reshape(*self._chain.shape, -1)
        mine = cube[:, :, self._fatigue]  # (k, h, n, a)
        return np.asarray(np.einsum("nkh,khna->na", self._posterior, mine))
