"""One period of the stream: its budgets, ledger, rule and controller."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bcrlsp.control.controllers import Controller, ForecastLp, MirrorDescent, Pid
from bcrlsp.control.controllers.base import SpendPlan
from bcrlsp.control.ledger import Ledger, MemoryStore
from bcrlsp.control.limits import Limit, Membership
from bcrlsp.control.money import Money
from bcrlsp.control.overbooking import Overbooking
from bcrlsp.control.rule import PriceRule
from bcrlsp.control.stream.knowledge import Knowledge, past_of, sample_of
from bcrlsp.control.stream.rows import Decision
from bcrlsp.control.stream.settings import ControlSettings
from bcrlsp.control.watch import Position, Watch

_CONTROLLERS: dict[str, type[Any]] = {
    "forecast": ForecastLp,
    "mirror": MirrorDescent,
    "pid": Pid,
}


class Book:
    """See the module.

    period: its number. span: its start and end, seconds since 1970. limits: its budgets.
    sample: states of usual users, and their segments.
    """

    def __init__(
        self,
        period: int,
        span: tuple[float, float],
        limits: tuple[Limit, ...],
        policy: Any,
        settings: ControlSettings,
        knowledge: Knowledge,
        sample: tuple[NDArray[Any], NDArray[Any]],
    ) -> None:
        self.period, self.span, self.limits = period, span, limits
        self._policy, self._settings, self._knowledge = policy, settings, knowledge
        self._sample = sample
        money = Money(settings.unit)
        self.ledger = Ledger(MemoryStore(), limits, money=money, grace=settings.grace)
        self.rule = PriceRule(
            policy, 0.0, limits, ledger=self.ledger, cost=settings.cost,
            exploration=settings.exploration, seed=period,
        )  # fmt: skip
        self._next = -np.inf
        self._build()

    @property
    def names(self) -> list[str]:
        """Names of the budgets in force."""
        return [limit.name for limit in self.limits]

    @property
    def position(self) -> Position:
        """Money of the budgets."""
        position = Position.of(self.ledger.lines(), self.names, self._settings.unit)
        true = np.array([limit.limit for limit in self.limits], np.float64)
        return Position(true, position.redeemed, position.out)

    @property
    def charges(self) -> list[str]:
        """Names in the order of an entry's charges."""
        return [line.name for line in self.ledger.lines()]

    def change(self, limits: tuple[Limit, ...]) -> None:
        """Other budgets from now on."""
        same = self.names == [limit.name for limit in limits]
        same &= [x.groups for x in self.limits] == [x.groups for x in limits]
        if same:
            self.rule.reload(budgets=limits)
        else:
            self.rule.reload(budgets=limits, prices={}, holding={})
        self.limits = limits
        if not same:
            self._build()
        self._next = -np.inf

    def steer(self, now: float) -> None:
        """Moves the prices, where it is time."""
        if now < self._next or now >= self.span[1]:
            return
        self._next = now + self._settings.step
        position = self.position
        if self._booking is not None:
            rate = self.watch.rate(least=100 * self._knowledge.bonus)
            booked, position = self._booking.limits(position.limit, position, rate)
            self.ledger.set_limits(
                [
                    Limit(each.name, float(most), each.groups, each.levels, each.measure)
                    for each, most in zip(self.limits, booked, strict=True)
                ]
            )
        steer = self._controller.step(now, position, self.watch)
        names = self.names
        self.rule.reload(
            prices=dict(zip(names, steer.prices.tolist(), strict=True)),
            holding=dict(zip(names, steer.holding.tolist(), strict=True)),
        )

    def planned(self, now: float) -> NDArray[np.float64]:
        """Commitments, (k,), that the arrival curve expects by `now`."""
        return self._plan.by(now, self.position, self.watch)

    def record(
        self, now: float, states: Any, segments: NDArray[Any], levels: NDArray[np.intp]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Tells the watch of a batch; returns value and expected cost of every level (n, a)."""
        value, cost = self._policy.evaluate(states)
        amounts = np.asarray(self._policy.amounts, np.float64)
        counted = self._counted(segments)
        face, mean = amounts[levels], cost[np.arange(len(levels)), levels]
        money = np.array([limit.measure == "cost" for limit in self.limits])
        share = mean / np.where(face > 0, face, 1.0)
        faces = np.where(money, face[:, None], (levels > 0)[:, None]) * counted
        expected = np.where(money, mean[:, None], share[:, None]) * counted
        few = slice(0, 32)
        sample = sample_of(self._policy, states[few], value[few], cost[few], counted[few])
        self.watch.record(now, len(levels), faces.sum(axis=0), expected.sum(axis=0), sample)
        return value, cost

    def recall(self, decisions: Sequence[Decision]) -> None:
        """Tells the watch of decisions that were made before a restart."""
        money = np.array([limit.measure == "cost" for limit in self.limits])
        for each in decisions:
            charged = np.array([each.charges.get(name, 0) > 0 for name in self.names], float)
            share = each.cost / each.amount if each.amount else 0.0
            face = np.where(money, each.amount, 1.0) * charged
            self.watch.record(each.time, 1, face, face * share)

    def _build(self) -> None:
        states, segments = self._sample
        quantile, knowledge = self._settings.quantile, self._knowledge
        self._booking = None
        if quantile is not None and knowledge.rate is not None:
            self._booking = Overbooking(
                quantile, knowledge.rate, self._settings.rate_spread, knowledge.bonus
            )
        past = past_of(
            knowledge, self._policy, states, self.limits, self._counted(segments),
            self._booking is not None,
        )  # fmt: skip
        self._controller: Controller = _CONTROLLERS[self._settings.controller](past)
        self._plan = SpendPlan(past)
        self.watch = Watch(self.names, *self.span)

    def _counted(self, segments: Sequence[Any] | NDArray[Any]) -> NDArray[np.bool_]:
        faces = np.zeros(len(self._policy.amounts), np.int64)
        codes, counted = Membership(self.limits, faces).code(np.asarray(segments), len(segments))
        return counted[codes]
