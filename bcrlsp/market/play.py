"""The market played by users who are drawn one by one, and what can be seen of them.

`Market` is the one simulator: the event generator and every comparison of policies run it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bcrlsp.errors import DataError
from bcrlsp.market.chain import Chain, Floats, Ints

Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Step:
    """What happened in one period, arrays (n,).

    returned: whether the user came back. redeemed: whether the bonus was used. cost: money.
    """

    returned: Bools
    redeemed: Bools
    cost: Floats


class Market:
    """n users of a chain.

    chain: the market's law. `reset` draws the users, `step` lets one period pass. Each step takes
    the same number of random draws whatever the levels, so that two policies with one seed see the
    same draws.
    """

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self._rng = np.random.default_rng(0)
        self._kind = self._habit = self._fatigue = np.zeros(0, dtype=np.int64)

    def reset(
        self, users: int, seed: int | np.random.Generator, initial: Floats | None = None
    ) -> None:
        """Draws new users.

        seed: a number, or the generator to draw from.
        initial: distribution over states (k, h, f); None: the chain's own.
        """
        rng = seed if isinstance(seed, np.random.Generator) else np.random.default_rng(seed)
        start = self.chain.initial if initial is None else initial
        edges = np.cumsum(start.ravel())
        drawn = np.searchsorted(edges, rng.random(users) * edges[-1], side="right")
        state = np.unravel_index(np.minimum(drawn, start.size - 1), self.chain.shape)
        self._kind, self._habit, self._fatigue = (np.asarray(part) for part in state)
        self._rng = rng

    @property
    def hidden(self) -> tuple[Ints, Ints, Ints]:
        """Types, habits and fatigues, arrays (n,): what no policy of the market may see."""
        return self._kind, self._habit, self._fatigue

    @property
    def states(self) -> Ints:
        """Flat numbers of the hidden states, array (n,), as `q_values` counts them."""
        return np.asarray(np.ravel_multi_index(self.hidden, self.chain.shape))

    def step(self, levels: Ints, present: Bools | None = None) -> Step:
        """One period passes.

        levels: array (n,), 0..a-1; DataError otherwise.
        present: array (n,); an absent user neither returns nor changes. None: all are present.
        """
        levels = np.asarray(levels)
        users = len(self._kind)
        if levels.shape != (users,) or (
            users and not 0 <= levels.min() <= levels.max() < self.chain.levels
        ):
            raise DataError(
                f"the market takes {users} levels of 0 to {self.chain.levels - 1}, "
                f"not an array of shape {levels.shape}"
            )
        chance = self.chain.return_probability[self._kind, self._habit, self._fatigue, levels]
        return_draw, redeem_draw = self._rng.random(users), self._rng.random(users)
        returned = return_draw < chance
        here = np.ones(users, dtype=bool) if present is None else present
        returned &= here
        redeemed = (
            returned & (levels > 0) & (redeem_draw < self.chain.redeem_probability[self._kind])
        )
        habit = self.chain.next_habit[returned.astype(np.int64), self._habit]
        fatigue = self.chain.next_fatigue[(levels > 0).astype(np.int64), self._fatigue]
        self._habit = np.where(here, habit, self._habit)
        self._fatigue = np.where(here, fatigue, self._fatigue)
        return Step(returned, redeemed, np.where(redeemed, self.chain.amounts[levels], 0.0))


@dataclass(frozen=True, eq=False)
class History:
    """What the events show so far: arrays (periods, n), oldest period first.

    levels: int. returned: bool. redeemed: bool. cost: money.
    """

    levels: Ints
    returned: Bools
    redeemed: Bools
    cost: Floats

    @property
    def periods(self) -> int:
        """Number of periods seen."""
        return len(self.levels)

    def before(self, period: int) -> "History":
        """The history that was known at the start of that period (views, no copies)."""
        return History(
            self.levels[:period],
            self.returned[:period],
            self.redeemed[:period],
            self.cost[:period],
        )

    @property
    def retention(self) -> Floats:
        """Share of returning users in each period."""
        return np.asarray(self.returned.mean(axis=1))

    @property
    def spend(self) -> Floats:
        """Money a user in each period."""
        return np.asarray(self.cost.mean(axis=1))


# The history known at the start of the next period -> levels, array (n,).
Policy = Callable[[History], Ints]


def empty_history(periods: int, users: int) -> History:
    """A history of that many periods to be filled in, all zeros."""
    shape = (periods, users)
    return History(
        np.zeros(shape, dtype=np.int64),
        np.zeros(shape, dtype=bool),
        np.zeros(shape, dtype=bool),
        np.zeros(shape, dtype=np.float64),
    )


def play(market: Market, policy: Policy, periods: int, past: History | None = None) -> History:
    """Lets a policy decide for a number of periods.

    market: already reset. policy: it is given the history up to now, `past` included.
    past: what happened before; None: nothing.
    Returns the history, `past` first: `len(past) + periods` periods.
    """
    users = len(market.states)
    first = 0 if past is None else past.periods
    whole = empty_history(first + periods, users)
    if past is not None:
        for name in ("levels", "returned", "redeemed", "cost"):
            getattr(whole, name)[:first] = getattr(past, name)
    for period in range(first, first + periods):
        levels = np.asarray(policy(whole.before(period)))
        record(whole, period, levels, market.step(levels))
    return whole


def record(history: History, period: int, levels: Ints, step: Step) -> None:
    """Writes one period into a history made by `empty_history`."""
    history.levels[period] = levels
    history.returned[period] = step.returned
    history.redeemed[period] = step.redeemed
    history.cost[period] = step.cost
