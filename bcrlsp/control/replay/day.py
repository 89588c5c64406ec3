"""A simulated day: who comes when, what levels are worth to them, what they redeem and when."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bcrlsp.control.limits import Limit

Floats = NDArray[np.float64]

DAY, SLOT = 86400.0, 300.0


@dataclass(frozen=True)
class Population:
    """Types of users: what is true of each.

    amounts: (a,), money. gain: (t, a), value of each level above that of nothing. redeems: (t, a),
    probability that a bonus is redeemed in time. share: (t,). groups: (t,) text.
    paid: least and most share of the face value that a redemption takes.
    """

    amounts: Floats
    gain: Floats
    redeems: Floats
    share: Floats
    groups: NDArray[np.str_]
    paid: tuple[float, float] = (0.6, 1.0)

    @staticmethod
    def draw(types: int, seed: int) -> "Population":
        """Concave values of many sizes; users of the group "new" are a third."""
        rng = np.random.default_rng(seed)
        amounts = np.array([0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
        size = rng.lognormal(-1.0, 0.7, (types, 1))
        bend = rng.uniform(1.0, 4.0, (types, 1))
        gain = size * (1 - np.exp(-amounts / bend))
        top = rng.uniform(0.25, 0.75, (types, 1))
        redeems = top * (1 - np.exp(-(0.5 + amounts) / 1.5))
        redeems[:, 0] = 0.0
        share = rng.dirichlet(np.full(types, 3.0))
        groups = np.where(np.arange(types) % 3 == 0, "new", "old")
        return Population(amounts, gain, redeems, share, groups)

    @property
    def cost(self) -> Floats:
        """Money expected to be redeemed: (t, a)."""
        return self.redeems * self.amounts * (sum(self.paid) / 2)

    def counted(self, limits: Sequence[Limit]) -> NDArray[np.bool_]:
        """Which budgets count the users of each type: (t, k)."""
        rows = [
            [each.groups is None or group in each.groups for each in limits]
            for group in self.groups.tolist()
        ]
        return np.array(rows, bool)

    # What a policy says of these users; a state (1,) is the number of the type.

    def evaluate(self, states: NDArray[np.float32]) -> tuple[Floats, Floats]:
        """See `Valued`."""
        kind = np.asarray(states)[:, 0].astype(np.intp)
        return self.gain[kind], self.cost[kind]


@dataclass(frozen=True)
class Scenario:
    """How a day differs from a calm one.

    requests: expected of a calm day. surge: (from hour, to hour, factor) of requests, or None.
    drift: (from hour, factor) of the probability of redeeming, or None.
    cut: (hour, factor) of all limits, or None. lag: seconds until a redemption is in the feed.
    limits: the budgets, of the day's start. life, grace: seconds.
    """

    name: str
    limits: tuple[Limit, ...]
    requests: float = 40_000.0
    surge: tuple[float, float, float] | None = None
    drift: tuple[float, float] | None = None
    cut: tuple[float, float] | None = None
    lag: float = 600.0
    life: float = 4 * 3600.0
    grace: float = 1800.0
    delay: float = 2700.0


@dataclass(frozen=True)
class Day:
    """One day played out: arrays (n,) by request, in order of time.

    times: seconds since `start`. kinds: types. chance: uniform, redeems where it is below the
    probability. delay: seconds from sending to redeeming. paid: share of the face value.
    """

    scenario: Scenario
    start: float
    times: Floats
    kinds: NDArray[np.intp]
    chance: Floats
    delay: Floats
    paid: Floats

    def redemption_factor(self, time: NDArray[Any]) -> Floats:
        """What the probability of redeeming is multiplied by, of bonuses sent at a time."""
        drift = self.scenario.drift
        if drift is None:
            return np.ones(np.shape(time))
        return np.where(np.asarray(time) >= drift[0] * 3600, drift[1], 1.0)

    def limits_at(self, time: float) -> tuple[Limit, ...]:
        """The budgets in force."""
        cut = self.scenario.cut
        if cut is None or time < cut[0] * 3600:
            return self.scenario.limits
        return tuple(
            Limit(each.name, each.limit * cut[1], each.groups, each.levels, each.measure)
            for each in self.scenario.limits
        )


@dataclass
class World:
    """A population and the days of it.

    level: standard deviation of the logarithm of a day's number of requests.
    """

    population: Population
    seed: int = 0
    level: float = 0.1
    _shape: Floats = field(init=False)

    def __post_init__(self) -> None:
        hours = np.arange(24) + 0.5
        lunch = np.exp(-0.5 * ((hours - 12.5) / 1.5) ** 2)
        evening = 1.6 * np.exp(-0.5 * ((hours - 20) / 2.0) ** 2)
        shape = 0.15 + 0.6 / (1 + np.exp(-(hours - 8))) + lunch + evening
        self._shape = shape / shape.sum()

    def rates(self, scenario: Scenario, weekday: int) -> Floats:
        """Requests expected by slot of a day."""
        factor = (1.0, 0.95, 0.95, 1.0, 1.15, 1.3, 1.1)[weekday % 7]
        slots = np.arange(int(DAY / SLOT))
        hour = slots * SLOT / 3600
        rates = scenario.requests * factor * self._shape[(hour).astype(int)] * SLOT / 3600
        if scenario.surge is not None:
            begin, end, times = scenario.surge
            rates = np.where((hour >= begin) & (hour < end), times * rates, rates)
        return np.asarray(rates)

    def day(self, scenario: Scenario, number: int, seed: int) -> Day:
        """The day `number` (0 is a Monday), drawn by `seed`."""
        rng = np.random.default_rng([self.seed, number, seed])
        rates = self.rates(scenario, number) * np.exp(rng.normal(-0.5 * self.level**2, self.level))
        counts = rng.poisson(rates)
        slot = np.repeat(np.arange(len(counts)), counts)
        times = np.sort((slot + rng.random(len(slot))) * SLOT)
        n = len(times)
        delay = rng.gamma(2.0, scenario.delay / 2.0, n)
        low, high = self.population.paid
        return Day(
            scenario,
            # 1970-01-05 was a Monday.
            start=4 * DAY + number * DAY,
            times=times,
            kinds=rng.choice(len(self.population.share), n, p=self.population.share),
            chance=rng.random(n),
            delay=np.minimum(delay, scenario.life),
            paid=rng.uniform(low, high, n),
        )
