"""What happens to one micro-batch: events in, decisions and changes of the ledger out.

Plain Python on the driver, the one place where money is committed: Spark brings the rows and keeps
what comes of them. The clock is that of the events, so that a replay decides as the day did.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from bcrlsp.control.ledger import Entry, State
from bcrlsp.control.limits import Limit
from bcrlsp.control.money import Money
from bcrlsp.control.stream.book import Book
from bcrlsp.control.stream.rows import Batch, Change, Decision
from bcrlsp.control.stream.settings import ControlSettings
from bcrlsp.control.stream.users import UNKNOWN, UserStates
from bcrlsp.periods import Calendar

LATE, UNKNOWN_USER, NO_BUDGET = "late", "unknown user", "no budget"

OpenBook = Callable[[int, tuple[Limit, ...]], Book]
Limits = Callable[[int, float], tuple[Limit, ...]]


@dataclass(frozen=True)
class Taken:
    """What came of a micro-batch."""

    decisions: list[Decision]
    changes: list[Change]
    duplicates: int


class Loop:
    """The state of the stream between micro-batches.

    open_book: makes the book of a period. limits: the budgets of a period in force at a time.
    wall: seconds since 1970; no event's time is believed that lies beyond it.
    """

    def __init__(
        self,
        users: UserStates,
        calendar: Calendar,
        settings: ControlSettings,
        amounts: Sequence[float],
        open_book: OpenBook,
        limits: Limits,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.users, self.books = users, dict[int, Book]()
        self.now = -np.inf
        self._calendar, self._settings, self._amounts = calendar, settings, amounts
        self._open, self._limits, self._wall = open_book, limits, wall
        self._money = Money(settings.unit)
        # Period of every decision that is remembered, and redemptions whose decision is not known.
        self._decided: dict[str, int] = {}
        self._waiting: dict[str, tuple[float, float]] = {}
        # Time of the newest redemption: how far the feed has come.
        self._newest: float | None = None
        self._looked = -np.inf

    @property
    def waiting(self) -> int:
        """Redemptions that no decision is known of."""
        return len(self._waiting)

    def current(self) -> Book | None:
        """The book of the newest period."""
        return self.books[max(self.books)] if self.books else None

    def take(self, batch: Batch, again: Mapping[str, Decision] | None = None) -> Taken:
        """Decides the requests of one micro-batch.

        again: decisions that this very batch has left in the tables before a crash; they stand.
        """
        changes: list[Change] = []
        times = [request[2] for request in batch.requests]
        if times:
            self.now = max(self.now, min(max(times), self._wall()))
        for user, moment, kind in batch.activity:
            self.users.add_event(user, self._period(moment), round(moment * 1e6), kind)
        self._redeem(batch.redemptions, changes)
        self._release(changes)
        if again:
            self._take_again(again)
            self._remember(list(again.values()), changes)
            return Taken([], changes, 0)
        # A clock ahead of ours must not open tomorrow's budget.
        requests = [(name, user, min(at, self.now)) for name, user, at in batch.requests]
        fresh, duplicates = self._fresh(requests)
        found = [self._without_rule(request) for request in fresh]
        asked: dict[int, list[int]] = {}
        for place, (request, decision) in enumerate(zip(fresh, found, strict=True)):
            if decision is None:
                asked.setdefault(self._period(request[2]), []).append(place)
        self._look_at_budgets(asked, changes)
        for period, places in sorted(asked.items()):
            decided = self._decide(period, [fresh[place] for place in places])
            for place, decision in zip(places, decided, strict=True):
                found[place] = decision
        decisions = [decision for decision in found if decision is not None]
        self._remember(decisions, changes)
        return Taken(decisions, changes, duplicates)

    def restore(self, decisions: Sequence[Decision], changes: Sequence[Change]) -> None:
        """The state after the batches that left these rows."""
        if decisions:
            self.now = max(self.now, *(min(each.time, self._wall()) for each in decisions))
        back = {change.bonus_id: change for change in changes if change.kind == "redeem"}
        gone = {change.bonus_id for change in changes if change.kind == "release"}
        self._take_again({each.request_id: each for each in decisions}, back, gone)
        for change in back.values():
            self._seen(change.time)
            if change.bonus_id not in self._decided:
                self._waiting[change.bonus_id] = self._money.amount(change.units), change.time

    def _fresh(
        self, requests: Sequence[tuple[str, str, float]]
    ) -> tuple[list[tuple[str, str, float]], int]:
        """Requests whose id is new, and how many were not."""
        seen: set[str] = set()
        fresh = []
        for request in requests:
            if request[0] not in self._decided and request[0] not in seen:
                seen.add(request[0])
                fresh.append(request)
        return fresh, len(requests) - len(fresh)

    def _without_rule(self, request: tuple[str, str, float]) -> Decision | None:
        """Level 0, and why, where the rule has no say."""
        request_id, user, at = request
        reason = None
        if at < self.now - self._settings.watermark:
            reason = LATE
        elif self.users.places([user])[0] == UNKNOWN:
            reason = UNKNOWN_USER
        return None if reason is None else self._nothing(request_id, user, at, reason)

    def _nothing(self, request_id: str, user: str, at: float, reason: str) -> Decision:
        period = self._period(at)
        return Decision(
            request_id, user, None, at, period, 0, 0.0, None, 0.0, None, {}, at, {}, reason
        )

    def _look_at_budgets(self, periods: Mapping[int, Any], changes: list[Change]) -> None:
        """Opens books, and takes in what the table of budgets says now."""
        wall = self._wall()
        look = wall >= self._looked + self._settings.budgets_every
        for period in periods:
            book = self.books.get(period)
            if book is not None and not look:
                continue
            limits = self._limits(period, self.now)
            if book is None and limits:
                self.books[period] = self._open(period, limits)
                self._forget(period)
            elif book is not None and limits != book.limits:
                book.change(limits)
            else:
                continue
            units = {each.name: each.units(self._money) for each in limits}
            bounded = {name: most for name, most in units.items() if most is not None}
            changes.append(Change("limit", "", self.now, period, 0, bounded))
        if look:
            self._looked = wall

    def _forget(self, period: int) -> None:
        """Lets go of what periods long past cannot need any more."""
        old = {
            number for number, book in self.books.items()
            if number < period - 1 and not any(line.out for line in book.ledger.lines())
        }  # fmt: skip
        for number in old:
            del self.books[number]
        gone = {name for name, number in self._decided.items()
                if number < period - 1 and number not in self.books}  # fmt: skip
        for name in gone:
            del self._decided[name]

    def _decide(self, period: int, requests: Sequence[tuple[str, str, float]]) -> list[Decision]:
        book = self.books.get(period)
        if book is None:
            return [self._nothing(*request, NO_BUDGET) for request in requests]
        book.steer(self.now)
        ids = [request[0] for request in requests]
        places = self.users.places(request[1] for request in requests)
        states, segments = self.users.states(places, period), self.users.segments[places]
        until = self.now + self._settings.life
        levels, chances = book.rule.decide(
            states, groups=segments, ids=ids, now=self.now, until=until
        )
        value, cost = book.record(self.now, states, segments, levels)
        prices, entries, names = book.rule.prices, book.ledger.entries(ids), book.charges
        decisions = []
        for row, (request_id, user, at) in enumerate(requests):
            level = int(levels[row])
            charges = entries[request_id].charges
            decisions.append(
                Decision(
                    request_id, user, segments[row], at, period, level, self._amounts[level],
                    float(value[row, level]), float(cost[row, level]), float(chances[row]),
                    {n: c for n, c in zip(names, charges, strict=False) if c}, until, prices,
                )
            )  # fmt: skip
        return decisions

    def _remember(self, decisions: Sequence[Decision], changes: list[Change]) -> None:
        early = []
        for decision in decisions:
            self._decided[decision.request_id] = decision.period
            place = self.users.places([decision.user_id])[0]
            if decision.level and place != UNKNOWN:
                self.users.add_level(place, decision.period, decision.level)
                units = self._money.up(decision.amount)
                changes.append(
                    Change(
                        "reserve", decision.request_id, decision.time, decision.period, units,
                        decision.charges,
                    )
                )  # fmt: skip
            if decision.request_id in self._waiting:
                amount, at = self._waiting.pop(decision.request_id)
                early.append((decision.request_id, amount, at))
        self._redeem(early, changes)

    def _redeem(
        self, redemptions: Sequence[tuple[str, float, float]], changes: list[Change]
    ) -> None:
        for bonus_id, amount, moment in redemptions:
            at, period = min(moment, self._wall()), self._decided.get(bonus_id)
            book = None if period is None else self.books.get(period)
            if book is None or period is None:
                # Its decision may still come, or it is none of ours.
                if bonus_id not in self._waiting and bonus_id not in self._decided:
                    self._waiting[bonus_id] = amount, at
                    self._seen(at)
                    units = self._money.up(amount)
                    changes.append(Change("redeem", bonus_id, at, -1, units, {}, "early"))
                continue
            outcome = book.ledger.redeem(bonus_id, amount)
            if outcome in ("settled", "late"):
                self._seen(at)
                entry = book.ledger.entries([bonus_id])[bonus_id]
                kept = {
                    line.name: line.charge(entry.amount)
                    for line, charge in zip(book.ledger.lines(), entry.charges, strict=False)
                    if charge
                }
                changes.append(Change("redeem", bonus_id, at, period, entry.amount, kept, outcome))

    def _seen(self, at: float) -> None:
        """The feed has come this far. Only what is written down counts: a restart knows it, too."""
        self._newest = at if self._newest is None else max(self._newest, at)

    def _release(self, changes: list[Change]) -> None:
        for period, book in self.books.items():
            for bonus_id in book.ledger.expire(self.now, feed=self._newest):
                changes.append(Change("release", bonus_id, self.now, period, 0, {}))

    def _take_again(
        self,
        decisions: Mapping[str, Decision],
        back: Mapping[str, Change] | None = None,
        gone: set[str] | None = None,
    ) -> None:
        """Decisions that were made before a restart, and what came back of them."""
        back, gone = back or {}, gone or set()
        by_period: dict[int, dict[str, Entry]] = {}
        for decision in decisions.values():
            self._decided[decision.request_id] = decision.period
            period = decision.period
            if period not in self.books:
                limits = self._limits(period, self.now)
                if not limits:
                    continue
                self.books[period] = self._open(period, limits)
            names = self.books[period].charges
            face = self._money.up(decision.amount)
            charges = tuple(decision.charges.get(name, 0) for name in names)
            state, amount = State.OUT if decision.level else State.NOTHING, 0
            change = back.get(decision.request_id)
            if decision.level and change is not None:
                state, amount = State.REDEEMED, min(change.units, face)
            elif decision.level and decision.request_id in gone:
                state = State.RELEASED
            entry = Entry(state, decision.level, face, charges, decision.until, amount)
            by_period.setdefault(period, {})[decision.request_id] = entry
            place = self.users.places([decision.user_id])[0]
            if place != UNKNOWN:
                self.users.add_level(place, period, decision.level)
        for period, entries in by_period.items():
            book = self.books[period]
            book.ledger.restore(entries)
            book.recall([d for d in decisions.values() if d.period == period])

    def _period(self, moment: float) -> int:
        return self._calendar.index(datetime.fromtimestamp(moment, UTC))
