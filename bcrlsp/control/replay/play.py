"""Plays a simulated day through the price rule, its ledger and a controller."""

import heapq
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bcrlsp.control.controllers import Controller
from bcrlsp.control.ledger import Ledger, MemoryStore
from bcrlsp.control.limits import Limit
from bcrlsp.control.money import HUNDREDTHS
from bcrlsp.control.overbooking import Overbooking
from bcrlsp.control.replay.day import DAY, Day, Population
from bcrlsp.control.rule import PriceRule
from bcrlsp.control.watch import Position, Sample, Watch

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Played:
    """What came of a day.

    value: sum of the gains of what was sent. passed: by budget, the most that redeemed and out
    money was above the limit in force at a commitment, money; 0: never. overspent: by budget, what
    was redeemed in the end above the limit, money. prices: (s, k), after each step.
    face: money sent. redeemed: money. sent: (n,) levels.
    """

    value: float
    passed: dict[str, float]
    overspent: dict[str, float]
    prices: Floats
    face: float
    redeemed: float
    sent: NDArray[np.intp]

    @property
    def volatility(self) -> float:
        """Standard deviation of the steps of the first price's logarithm, ends of the day aside."""
        prices = self.prices[: int(0.95 * len(self.prices)), 0]
        prices = prices[prices > 0]
        return float(np.diff(np.log(prices)).std()) if len(prices) > 2 else 0.0


def play(
    day: Day,
    population: Population,
    controller: Controller,
    *,
    step: float = 60.0,
    batch: int = 256,
    overbooking: Overbooking | None = None,
) -> Played:
    """The day, second by second of the simulated clock; nobody knows what is still to come.

    step: seconds between the controller's steps. batch: most requests of one decision.
    overbooking: None: the hard bound.
    """
    scenario, names = day.scenario, [each.name for each in day.scenario.limits]
    ledger = Ledger(MemoryStore(), scenario.limits, grace=scenario.grace, clock=lambda: day.start)
    rule = PriceRule(population, 0.0, scenario.limits, ledger=ledger)
    watch = Watch(names, day.start, day.start + DAY)
    counts = population.counted(scenario.limits)[day.kinds]
    sent = np.zeros(len(day.times), np.intp)
    feed: list[tuple[float, int]] = []
    prices, passed = [], dict.fromkeys(names, 0.0)
    value = face = 0.0
    limits = scenario.limits
    start = 0
    for begin in np.arange(0.0, DAY, step):
        now = day.start + begin
        _take_in(feed, now, ledger, day, population, sent)
        ledger.expire(now, feed=now - scenario.lag)
        if day.limits_at(begin) != limits:
            limits = day.limits_at(begin)
            ledger.set_limits(limits)
        position = Position.of(ledger.lines(), names, HUNDREDTHS.unit)
        if overbooking is not None:
            true = np.array([each.limit for each in limits])
            booked, position = overbooking.limits(true, position, watch.rate(least=200.0))
            ledger.set_limits([_with(each, new) for each, new in zip(limits, booked, strict=True)])
        steer = controller.step(now, position, watch)
        prices.append(steer.prices)
        rule.reload(
            prices=dict(zip(names, steer.prices.tolist(), strict=True)),
            holding=dict(zip(names, steer.holding.tolist(), strict=True)),
        )
        stop = int(np.searchsorted(day.times, begin + step))
        for first in range(start, stop, batch):
            here = np.arange(first, min(first + batch, stop))
            at = day.start + float(day.times[here[0]])
            kinds = day.kinds[here]
            before = {line.name: line.used for line in ledger.lines()}
            levels, _ = rule.decide(
                kinds[:, None].astype(np.float32),
                groups=population.groups[kinds],
                ids=[str(place) for place in here],
                now=at,
                until=at + scenario.life,
            )
            sent[here] = levels
            for line in ledger.lines():
                if line.limit is not None and line.used > before[line.name]:
                    above = HUNDREDTHS.amount(max(line.used - line.limit, 0))
                    passed[line.name] = max(passed[line.name], above)
            value += float(population.gain[kinds, levels].sum())
            face += float(population.amounts[levels].sum())
            _send(feed, here, levels, day, population)
            _record(watch, at, levels, kinds, counts[here], population, limits)
        start = stop
    _take_in(feed, np.inf, ledger, day, population, sent)
    final = {line.name: line for line in ledger.lines()}
    spent = {name: HUNDREDTHS.amount(final[name].redeemed) for name in names}
    over = {each.name: max(spent[each.name] - each.limit, 0.0) for each in limits}
    total = float(_paid(day, population, sent).sum())
    return Played(value, passed, over, np.array(prices), face, total, sent)


def _send(
    feed: list[tuple[float, int]],
    here: NDArray[np.intp],
    levels: NDArray[np.intp],
    day: Day,
    population: Population,
) -> None:
    """Puts what will be redeemed into the feed, at the time when it will be seen."""
    kinds, times = day.kinds[here], day.times[here]
    chance = population.redeems[kinds, levels] * day.redemption_factor(times)
    for place in np.flatnonzero((levels > 0) & (day.chance[here] < chance)):
        request = int(here[place])
        seen = day.start + day.times[request] + day.delay[request] + day.scenario.lag
        heapq.heappush(feed, (float(seen), request))


def _take_in(
    feed: list[tuple[float, int]],
    now: float,
    ledger: Ledger,
    day: Day,
    population: Population,
    sent: NDArray[np.intp],
) -> None:
    pairs = []
    while feed and feed[0][0] <= now:
        request = heapq.heappop(feed)[1]
        amount = float(population.amounts[sent[request]] * day.paid[request])
        pairs.append((str(request), amount))
    if pairs:
        ledger.redeem_many(pairs)


def _paid(day: Day, population: Population, sent: NDArray[np.intp]) -> Floats:
    chance = population.redeems[day.kinds, sent] * day.redemption_factor(day.times)
    return np.where(day.chance < chance, population.amounts[sent] * day.paid, 0.0)


def _record(
    watch: Watch,
    at: float,
    levels: NDArray[np.intp],
    kinds: NDArray[np.intp],
    counted: NDArray[np.bool_],
    population: Population,
    limits: tuple[Limit, ...],
) -> None:
    face = population.amounts[levels]
    cost = population.cost[kinds, levels]
    share = cost / np.where(face > 0, face, 1.0)
    money = np.array([each.measure == "cost" for each in limits])
    faces = np.where(money, face[:, None], (levels > 0)[:, None]) * counted
    expected = np.where(money, cost[:, None], share[:, None]) * counted
    few = slice(0, 32)
    sample = Sample(population.gain[kinds[few]], population.cost[kinds[few]], counted[few])
    watch.record(at, len(levels), faces.sum(axis=0), expected.sum(axis=0), sample)


def _with(limit: Limit, most: float) -> Limit:
    return Limit(limit.name, most, limit.groups, limit.levels, limit.measure)
