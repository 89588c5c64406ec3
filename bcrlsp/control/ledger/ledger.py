"""The ledger: what has been committed, redeemed and given back, in exact whole units.

The invariant: at the moment of each commitment, redeemed money plus the face value of what is out
and not released is, with that commitment, at most the limit, for each budget. Between commitments
this sum never grows. docs/control.md has the proof, and what it takes from the feed.
"""

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bcrlsp.arrays import is_number
from bcrlsp.control.ledger import commitments, settlement
from bcrlsp.control.ledger.agreement import Agreement, refuse_other, scope_of
from bcrlsp.control.ledger.commitments import Chosen
from bcrlsp.control.ledger.entries import COUNTS, Entry, Line, State, Store
from bcrlsp.control.ledger.ids import as_ids
from bcrlsp.control.ledger.moments import as_end, as_instant, as_now
from bcrlsp.control.limits import Limit, as_limits
from bcrlsp.control.money import HUNDREDTHS, Money
from bcrlsp.errors import BcrlspError, DataError, UserError, shown

NO_BOUND = 2**62
"""Room of a budget without a limit."""

_FEED, _TURN = "feed", "turn"


Choose = Callable[[NDArray[np.int64], NDArray[np.intp]], Chosen]
"""(room (k,), places (m,) of the users that need a decision) -> what they get."""


class Ledger:
    """Commitments against budgets; safe between threads, and between processes where its store is.

    store: where it is kept. budgets: what may be used up; a budget that the store already knows
    keeps the limit it has there (`set_limits` changes it), and must count the same. money: the
    unit.
    grace: seconds after the end of a bonus's life at which its money goes back: at least the
    longest lag of the redemption feed plus the largest difference between clocks. None: only
    `expire` with the time up to which the feed is complete gives money back.
    clock: seconds since 1970.
    """

    def __init__(
        self,
        store: Store,
        budgets: Mapping[str, float] | Iterable[Any],
        *,
        money: Money = HUNDREDTHS,
        grace: float | None = 86400.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if grace is not None and not (grace == math.inf or (is_number(grace) and grace >= 0)):
            raise UserError(f"grace is {shown(grace)}; allowed: at least 0 seconds, or None")
        self.money = money
        self._store, self._grace, self._clock = store, grace, clock
        limits = as_limits(budgets)
        with store.transaction():
            unit = store.counts().get("unit", money.unit)
            if unit != money.unit:
                raise DataError(
                    f"the ledger counts in units of {unit} and was opened with {money.unit}; "
                    "open it with its own unit"
                )
            given = {limit.name: limit for limit in limits}
            lines = store.lines()
            for place, line in enumerate(lines):
                limit = given.pop(line.name, None)
                if limit is not None:
                    refuse_other(line, limit, scope_of(limit))
                    lines[place] = replace(line, scope=scope_of(limit))
            lines += [self._line(limit) for limit in given.values()]
            store.apply({}, lines, {"unit": money.unit})

    def now(self) -> float:
        """The clock: seconds since 1970."""
        return as_now(self._clock())

    def lines(self) -> list[Line]:
        """The position of each budget."""
        with self._store.transaction():
            return self._store.lines()

    def counts(self) -> dict[str, float]:
        """What was odd in the redemption feed.

        duplicates: redemptions that were there before; conflicts: of them, with another amount (the
        first one stays). early: redemptions that wait for their bonus. foreign: of a decision that
        sent nothing. late, late_units: after the bonus's money had gone back: they count, and no
        more is committed until they are covered. excess_units: redeemed above face value.
        """
        with self._store.transaction():
            held = self._store.counts()
        return {name: held.get(name, 0) for name in COUNTS}

    def entries(self, ids: Iterable[str]) -> dict[str, Entry]:
        """What is known of these bonus ids."""
        wanted = as_ids(ids)
        with self._store.transaction():
            return self._store.find(wanted)

    def set_limits(self, budgets: Mapping[str, float] | Iterable[Any]) -> None:
        """Changes limits from now on, and adds budgets; one that is not named is bounded no more.

        A limit below what is used stops commitments until enough has come back; what is out stays.
        A new budget counts from now on. The measure of a name cannot change. Rules that were given
        other groups, levels or budgets decide nothing until they are told (`PriceRule.reload`).
        """
        wanted = {limit.name: limit for limit in as_limits(budgets)}
        with self._store.transaction():
            lines = self._store.lines()
            for place, line in enumerate(lines):
                limit = wanted.pop(line.name, None)
                if limit is None:
                    lines[place] = replace(line, limit=None)
                    continue
                refuse_other(line, limit)
                units, scope = limit.units(self.money), scope_of(limit)
                lines[place] = replace(line, limit=units, scope=scope)
            lines += [self._line(limit) for limit in wanted.values()]
            self._store.apply({}, lines, {_TURN: self._store.counts().get(_TURN, 0) + 1})

    def agree(self, limits: Sequence[Limit]) -> Agreement:
        """Holds a rule's budgets against these: what `reserve` then keeps to.

        Raises DataError where they count other users or levels or in another measure, or are not
        the same ones. A limit may differ: the smaller one is kept.
        """
        with self._store.transaction():
            turn = self._store.counts().get(_TURN, 0)
            return Agreement.made(limits, self._store.lines(), self.money, turn)

    def reserve(
        self,
        ids: Sequence[str] | None,
        n: int,
        names: Sequence[str],
        choose: Choose,
        *,
        until: float | None = None,
        now: float | None = None,
        agreement: Agreement | None = None,
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Decides for n users and commits the face values, in one transaction.

        ids: their bonus ids; one that is known keeps its level and commits nothing. None: the
            commitment is one lump, which can be given back by expiry only.
        names: the budgets in the order of `choose`'s room and charges.
        agreement: what the caller takes the budgets to be; see `agree`.
        Returns levels (n,), and the places (m,) that were decided now.
        Raises BcrlspError, with nothing committed, where a choice would pass a limit.
        """
        ids = None if ids is None else as_ids(ids, n)
        now = self.now() if now is None else as_now(now)
        until = as_end(until, now)
        with self._store.transaction():
            lines, changed, counts = self._release(now)
            if agreement is not None:
                agreement.check(lines)
            places = self._places(lines, names)
            room = self._room([lines[place] for place in places], agreement)
            levels = np.zeros(n, np.intp)
            known = {} if ids is None else self._store.find(ids)
            fresh, same = commitments.undecided(ids, n, known, levels)
            chosen = choose(room, fresh)
            sums = chosen.charges.sum(axis=0)
            if (sums > np.maximum(room, 0)).any():
                raise BcrlspError("a choice passes the room of a budget; nothing was committed")
            levels[fresh] = chosen.levels
            for place, first in same:
                levels[place] = levels[first]
            for place, charge in zip(places, sums.tolist(), strict=True):
                lines[place] = replace(lines[place], out=lines[place].out + charge)
            changed |= commitments.entries_of(ids, fresh, chosen, places, len(lines), until)
            # Others that are known and changed were released just now: nobody redeemed them.
            early = [name for name in known if known[name].state == State.EARLY]
            if early:
                counts = self._store.counts() | counts
            for name in early:
                amount = known[name].amount
                changed[name] = settlement.meet(changed[name], amount, lines, counts)
            if changed or counts or sums.any():
                self._store.apply(changed, lines, counts)
        return levels, fresh

    def redeem(self, bonus_id: str, amount: float) -> str:
        """`redeem_many` of one."""
        return self.redeem_many([(bonus_id, amount)])[0]

    def redeem_many(self, redemptions: Iterable[tuple[str, float]]) -> list[str]:
        """Settles bonuses at what was redeemed, in one transaction.

        redemptions: (bonus id, money) pairs in any order, also again, also before their bonus.
        Returns for each: settled, duplicate, early, late or foreign (see `counts`).
        Raises UserError for an amount that is no number of at least 0 and for an id that is none;
        then none is settled.
        """
        try:
            given = [(name, amount) for name, amount in redemptions]
        except (TypeError, ValueError):
            raise UserError(
                f"redemptions are {shown(redemptions)}; allowed: pairs of a bonus id and an amount"
            ) from None
        names = as_ids([name for name, _ in given], name="bonus ids")
        pairs = [
            (name, self.money.up(amount, f"the redeemed amount of bonus {name!r}"))
            for name, (_, amount) in zip(names, given, strict=True)
        ]
        told = []
        with self._store.transaction():
            lines, counts = self._store.lines(), self._store.counts()
            entries = self._store.find({name for name, _ in pairs})
            changed: dict[str, Entry] = {}
            for name, amount in pairs:
                outcome = settlement.redeem(name, amount, entries, lines, counts)
                told.append(outcome)
                if outcome != "duplicate":
                    changed[name] = entries[name]
            self._store.apply(changed, lines, {name: counts.get(name, 0) for name in COUNTS})
        return told

    def expire(self, now: float | None = None, feed: float | None = None) -> list[str]:
        """Gives back the money of bonuses whose life and grace are over; returns their ids.

        feed: time up to which the redemption feed is known to be complete. Once it has been told,
        money goes back only where the feed, too, is past the end of the bonus's life.
        """
        now = self.now() if now is None else as_now(now)
        feed = None if feed is None else as_instant(feed, "feed")
        with self._store.transaction():
            lines, changed, counts = self._release(now, feed)
            self._store.apply(changed, lines, counts)
        return list(changed)

    def restore(self, entries: Mapping[str, Entry]) -> None:
        """Takes in entries as they are, with what they use up, whatever the limits say: what was
        decided before a restart, and is written down elsewhere. Ids that are known stay; one that
        is known by its redemption alone is settled by it."""
        with self._store.transaction():
            lines, counts = self._store.lines(), self._store.counts()
            known = self._store.find(entries)
            fresh = dict[str, Entry]()
            for name, entry in entries.items():
                held = known.get(name)
                if held is None or held.state == State.EARLY:
                    settlement.take_in(entry, lines)
                    amount = None if held is None else held.amount
                    fresh[name] = settlement.meet(entry, amount, lines, counts)
            self._store.apply(fresh, lines, counts)

    def _line(self, limit: Limit) -> Line:
        return Line(limit.name, limit.measure, limit.units(self.money), scope=scope_of(limit))

    def _room(self, lines: Sequence[Line], agreement: Agreement | None) -> NDArray[np.int64]:
        if agreement is None or not agreement.caps:
            rooms = [line.room for line in lines]
        else:
            turn = self._store.counts().get(_TURN, 0)
            rooms = [agreement.room(line, turn) for line in lines]
        return np.array([NO_BOUND if room is None else room for room in rooms], np.int64)

    def _release(
        self, now: float, feed: float | None = None
    ) -> tuple[list[Line], dict[str, Entry], dict[str, float]]:
        """Lines, entries and counters after what is due has gone back."""
        lines, counts = self._store.lines(), {}
        told = self._store.counts().get(_FEED)
        if feed is not None:
            told = feed if told is None else max(told, feed)
            counts[_FEED] = told
        bounds = [] if self._grace is None else [now - self._grace]
        bounds += [] if told is None else [told]
        if not bounds:
            return lines, {}, counts
        due = self._store.due(min(bounds))
        released = {name: settlement.give_back(entry, lines) for name, entry in due.items()}
        return lines, released, counts

    @staticmethod
    def _places(lines: Sequence[Line], names: Sequence[str]) -> list[int]:
        at = {line.name: place for place, line in enumerate(lines)}
        missing = [name for name in names if name not in at]
        if missing:
            raise DataError(
                f"the ledger has no budget {missing[0]!r}; it has {', '.join(at) or 'none'}"
            )
        return [at[name] for name in names]
