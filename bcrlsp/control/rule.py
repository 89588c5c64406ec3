"""The price rule: argmax over levels of value less price times cost, within the money left.

NumPy and the standard library alone: a service that answers requests needs neither Spark, Ray nor
torch. docs/control.md shows one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from threading import Lock
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bcrlsp.arrays import as_states, is_number
from bcrlsp.control.choice import Exploration, Wishes, choose
from bcrlsp.control.ledger import Chosen, Ledger, MemoryStore
from bcrlsp.control.ledger.agreement import Agreement, DisagreementError
from bcrlsp.control.ledger.ids import as_ids
from bcrlsp.control.ledger.moments import as_now
from bcrlsp.control.limits import GroupValues, as_limits
from bcrlsp.control.money import HUNDREDTHS, Money
from bcrlsp.control.terms import Floats, Given, Prices, Terms, Valued
from bcrlsp.errors import DataError, UserError, shown


class PriceRule:
    """Decides levels; safe between threads.

    policy: a loaded policy (`Valued`). prices: value of a unit of money by budget name, as
        `Solution.prices` has them, or one number for all users; users pay the sum of the prices of
        the budgets that count them. A budget without a price has price 0.
    budgets: `Limit` or `allocation.Budget` objects, or {name: limit}; none: nothing bounds money.
    ledger: where money is committed; by default one in this process, of these budgets. It must
        count the same as the budgets; of two limits the smaller one is kept, with a warning.
    cost: what the price is paid on: "face", the amount of the level, or "expected", what the policy
        expects to be redeemed. Budgets hold at face value in any case.
    holding: by budget name or for all, the share of the difference between face value and expected
        cost that is paid for; None: 1 for "face", 0 for "expected". A controller sets it.
    exploration: probability with which a user gets any possible level, each with the same chance.
    life: seconds in which a bonus can be redeemed; its money comes back after it. None: it never
        expires. seed: of the exploration. money: the unit of the ledger that is made here.
    Raises UserError, one line, for what makes no sense.
    """

    def __init__(
        self,
        policy: Valued,
        prices: Prices = 0.0,
        budgets: Mapping[str, float] | Iterable[Any] = (),
        *,
        ledger: Ledger | None = None,
        cost: Literal["face", "expected"] = "face",
        holding: Prices | None = None,
        exploration: float = 0.0,
        life: float | None = None,
        seed: int = 0,
        money: Money = HUNDREDTHS,
    ) -> None:
        if cost not in ("face", "expected"):
            raise UserError(f"cost is {cost!r}; allowed: face, expected")
        if life is not None and not (life == np.inf or (is_number(life) and life > 0)):
            raise UserError(f"life is {shown(life)}; allowed: above 0 seconds, or None")
        if holding is None:
            holding = 1.0 if cost == "face" else 0.0
        if ledger is not None:
            if money not in (HUNDREDTHS, ledger.money):
                raise UserError(
                    f"money counts in {money.unit} and the ledger in {ledger.money.unit}; give the "
                    "ledger alone"
                )
            money = ledger.money
        self._given = Given(policy, prices, holding, as_limits(budgets), exploration, money)
        terms = Terms.of(self._given)
        self._life = life
        self._changing, self._drawing = Lock(), Lock()
        self._random = np.random.default_rng(seed)
        limits = self._given.limits
        self.ledger = Ledger(MemoryStore(), limits, money=money) if ledger is None else ledger
        self._held = terms, self.ledger.agree(limits)

    @property
    def prices(self) -> dict[str, float]:
        """The price of each budget; of no budgets: the one price, under ""."""
        given = self._given
        return given.named(given.prices, "price")

    def reload(
        self,
        *,
        policy: Valued | None = None,
        prices: Prices | None = None,
        holding: Prices | None = None,
        budgets: Mapping[str, float] | Iterable[Any] | None = None,
        exploration: float | None = None,
    ) -> None:
        """Changes what is given, at once for all later decisions; a mistake changes nothing.

        A decision that is under way ends by the old prices, yet within the new limits. A budget
        that is not among new `budgets` bounds nothing any more.
        """
        asked = {
            "policy": policy,
            "prices": prices,
            "holding": holding,
            "limits": None if budgets is None else as_limits(budgets),
            "exploration": exploration,
        }
        with self._changing:
            changes: dict[str, Any] = {n: v for n, v in asked.items() if v is not None}
            given = replace(self._given, **changes)
            terms, agreement = Terms.of(given), self._held[1]
            if budgets is not None:
                self.ledger.set_limits(given.limits)
                agreement = Agreement.of(given.limits)
            self._given, self._held = given, (terms, agreement)

    def decide(
        self,
        states: ArrayLike,
        eligible: ArrayLike | None = None,
        groups: GroupValues = None,
        *,
        ids: Sequence[str] | None = None,
        now: float | None = None,
        until: float | None = None,
    ) -> tuple[NDArray[np.intp], Floats]:
        """A level for each user, and the probability with which the rule chose it.

        states: (n, d), as the policy takes them; one state (d,) counts as n = 1.
        eligible: bool (n, a), levels that a user may get; level 0 always may.
        groups: by which budgets tell users apart: array (n,) or {column: array (n,)}.
        ids: bonus ids, by which redemptions are matched; an id that was decided before gets its
            level again and commits nothing. now: seconds since 1970, by default the clock's.
        until: end of the bonuses' life, seconds since 1970; by default now + life.
        Returns levels (n,) and propensities (n,), those of repeated ids nan: they were logged.
        Raises DataError for inputs of a wrong shape; then nothing is committed.
        """
        table = as_states(states)
        table = table[None] if table.ndim == 1 else table
        n = len(table)
        if table.ndim != 2:
            raise DataError(f"states are an array of {table.ndim} dimensions; allowed: (n, d)")
        ids = None if ids is None else as_ids(ids, n)
        if n == 0:
            return np.zeros(0, np.intp), np.zeros(0)
        now = self.ledger.now() if now is None else as_now(now)
        if until is None and self._life is not None:
            until = now + self._life
        while True:
            terms, agreement = self._held
            wishes = _wishes(terms, table, eligible, groups, ids)
            try:
                return self._reserve(terms, agreement, wishes, ids, until, now)
            except DisagreementError:
                # Budgets that are being reloaded are the ledger's first, then the rule's.
                with self._changing:
                    if self._held[1] is agreement:
                        raise

    def _reserve(
        self,
        terms: Terms,
        agreement: Agreement,
        wishes: Wishes,
        ids: Sequence[str] | None,
        until: float | None,
        now: float,
    ) -> tuple[NDArray[np.intp], Floats]:
        n = len(wishes.scores)
        explore = self._draw(terms.exploration, n)
        chances = np.full(n, np.nan)

        def pick(room: NDArray[np.int64], places: NDArray[np.intp]) -> Chosen:
            chosen, likely = choose(wishes, room, places, explore)
            chances[places] = likely
            return chosen

        levels, _ = self.ledger.reserve(
            ids, n, terms.names, pick, until=until, now=now, agreement=agreement
        )
        return levels, chances

    def _draw(self, rate: float, n: int) -> Exploration | None:
        if not rate:
            return None
        with self._drawing:
            return Exploration(rate, self._random.random((n, 2)))


def _wishes(
    terms: Terms,
    states: NDArray[np.float32],
    eligible: ArrayLike | None,
    groups: GroupValues,
    ids: Sequence[str] | None,
) -> Wishes:
    mask = None if eligible is None else terms.flags(eligible, len(states), "eligible")
    wishes = terms.wishes(states, mask, groups)
    if ids is not None:
        _check_same(ids, [states, wishes.codes, *([] if mask is None else [mask])])
    return wishes


def _check_same(ids: Sequence[str], parts: Sequence[NDArray[Any]]) -> None:
    """An id that is there again must be the same request: one bonus is not for two users.

    parts: arrays (n, ...) of what tells requests apart.
    """
    if len(set(ids)) == len(ids):
        return
    first: dict[str, int] = {}
    for row, name in enumerate(ids):
        other = first.setdefault(name, row)
        if other != row and any(x[row].tobytes() != x[other].tobytes() for x in parts):
            raise DataError(
                f"ids has {name!r} in rows {other} and {row}, of users who differ (states, groups "
                "or eligible); give every bonus its own id"
            )
