"""The simulated log: blocks of users, as arrays.

Users are simulated in blocks of a fixed size; every random number comes from a counter-based
generator keyed by (seed, block, purpose). So a user's log depends on the seed and the settings
alone, not on who computes it, and more users add users without changing the others.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from bcrlsp.errors import UserError
from bcrlsp.market.behaviour import Behaviour
from bcrlsp.market.chain import Floats, Ints, build_chain
from bcrlsp.market.play import Bools, History, Market, empty_history, record
from bcrlsp.market.settings import Settings
from bcrlsp.periods import Calendar

BLOCK = 4096


class Purpose(IntEnum):
    """What a stream of random numbers is for."""

    MARKET = 0
    BEHAVIOUR = 1
    PEOPLE = 2
    DETAIL = 3
    SIGNUP = 4


@dataclass(frozen=True, eq=False)
class Block:
    """A block of simulated users.

    first: number of the first user. entry: array (n,), the period of a user's first decision.
    segment: array (n,), numbers of the segments. history, propensity: arrays (periods, n);
    hidden: int array (3, periods, n), type, habit and fatigue at each period's start.
    seed: of the details that the emitters draw.
    """

    first: int
    entry: Ints
    segment: Ints
    history: History
    propensity: Floats
    hidden: Ints
    seed: int

    @property
    def users(self) -> int:
        """Number of users."""
        return len(self.entry)

    @property
    def present(self) -> Bools:
        """Array (periods, n): whether the user had signed up when the period began."""
        periods = np.arange(self.history.periods)
        return np.asarray(periods[:, None] >= self.entry)

    def stream(self, purpose: Purpose) -> np.random.Generator:
        """Random numbers of this block for one purpose, always the same."""
        return stream(self.seed, self.first // BLOCK, purpose)


def stream(seed: int, block: int, purpose: Purpose) -> np.random.Generator:
    """The generator of a block of users for one purpose (Philox, counter-based)."""
    return np.random.Generator(np.random.Philox(key=[seed, block], counter=[0, 0, 0, purpose]))


@dataclass(frozen=True)
class Simulation:
    """What is simulated: everything that the events depend on.

    users, periods: numbers of users and of logged periods, both at least 1. seed: 0 or more.
    amounts: face values of the levels. calendar: the log begins with its period 0.
    """

    users: int
    periods: int
    seed: int
    amounts: tuple[float, ...]
    calendar: Calendar
    settings: Settings

    def __post_init__(self) -> None:
        for name, least, most in (("users", 1, 10**9), ("periods", 1, 10**5), ("seed", 0, 2**63)):
            value = getattr(self, name)
            if not least <= value <= most:
                raise UserError(f"{name} = {value}: allowed: {least} to {most}")
        build_chain(self.settings, self.amounts)

    def block(self, number: int) -> Block:
        """Simulates one block of users; the last one is cut to the number of users asked for."""
        settings = self.settings
        market = Market(build_chain(settings, self.amounts))
        behaviour = Behaviour(settings.behaviour, len(self.amounts))
        market.reset(BLOCK, stream(self.seed, number, Purpose.MARKET))
        rng = stream(self.seed, number, Purpose.BEHAVIOUR)
        entry, segment = self._people(number, market)
        history = empty_history(self.periods, BLOCK)
        propensity = np.ones((self.periods, BLOCK))
        hidden = np.zeros((3, self.periods, BLOCK), dtype=np.int64)
        users = np.arange(BLOCK)
        for period in range(self.periods):
            present = period >= entry
            past = history.before(period)
            chance = behaviour.propensities(past.levels, past.returned)
            levels = np.where(present, behaviour.decide(chance, rng.random(BLOCK)), 0)
            hidden[:, period] = market.hidden
            propensity[period] = chance[users, levels]
            record(history, period, levels, market.step(levels, present))
        kept = slice(0, min(BLOCK, self.users - number * BLOCK))
        return Block(
            first=number * BLOCK,
            entry=entry[kept],
            segment=segment[kept],
            history=History(
                history.levels[:, kept],
                history.returned[:, kept],
                history.redeemed[:, kept],
                history.cost[:, kept],
            ),
            propensity=propensity[:, kept],
            hidden=hidden[:, :, kept],
            seed=self.seed,
        )

    def _people(self, number: int, market: Market) -> tuple[Ints, Ints]:
        """Periods of the first decision and segments, arrays (BLOCK,)."""
        rng = stream(self.seed, number, Purpose.PEOPLE)
        late = rng.random(BLOCK) < self.settings.newcomers
        when = 1 + np.floor(rng.random(BLOCK) * (self.periods - 1)).astype(np.int64)
        entry = np.where(late & (self.periods > 1), when, 0)
        segments = len(self.settings.segments)
        own = rng.random(BLOCK) < self.settings.segment_lean
        anywhere = np.floor(rng.random(BLOCK) * segments).astype(np.int64)
        return entry, np.where(own, market.hidden[0] % segments, anywhere)
