"""The ledger: by hand, and through random interleavings with crashes against plain books."""

import contextlib
import json
import multiprocessing
import os
import sqlite3
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from fakes import Table, states_of
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from bcrlsp.control import Ledger, Limit, MemoryStore, Money, PriceRule, SqliteStore
from bcrlsp.control.ledger import Chosen, Entry, State
from bcrlsp.errors import BcrlspError, DataError, UserError

WHOLE = Money(1.0)
GRACE, LIFE = 10.0, 20.0
FACES = (0, 2, 5)


def commit(ledger: Ledger, name: str, face: int, now: float = 0.0, until: float | None = None):
    """A bonus of this face value, all budgets counting it."""
    names = [line.name for line in ledger.lines()]

    def choose(room, places):
        charges = np.full((len(places), len(names)), face)
        return Chosen(np.full(len(places), int(face > 0)), charges[:, 0], charges)

    return ledger.reserve([name], 1, names, choose, now=now, until=until)


def used(ledger: Ledger) -> tuple[int, int]:
    line = ledger.lines()[0]
    return line.redeemed, line.out


@pytest.fixture(params=["memory", "sqlite"])
def ledger(request, tmp_path: Path) -> Ledger:
    store = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "ledger.db")
    return Ledger(store, {"t": 10.0}, money=WHOLE, grace=GRACE)


def test_what_a_redemption_does(ledger: Ledger) -> None:
    commit(ledger, "a", 4)
    commit(ledger, "b", 3)
    assert used(ledger) == (0, 7)
    assert ledger.redeem("a", 2.5) == "settled"  # rounded up: never understated
    assert used(ledger) == (3, 3)
    assert ledger.redeem_many([("a", 2.5), ("a", 4), ("b", 9)]) == [
        "duplicate", "duplicate", "settled"
    ]  # fmt: skip
    assert used(ledger) == (6, 0)
    counts = ledger.counts()
    assert (counts["duplicates"], counts["conflicts"], counts["excess_units"]) == (2, 1, 6)


def test_a_redemption_before_its_bonus(ledger: Ledger) -> None:
    assert ledger.redeem_many([("a", 2), ("a", 2)]) == ["early", "duplicate"]
    assert used(ledger) == (0, 0)
    assert ledger.counts()["early"] == 1
    commit(ledger, "a", 4)
    assert used(ledger) == (2, 0)
    assert ledger.counts()["early"] == 0
    assert ledger.redeem("a", 2) == "duplicate"


def test_a_redemption_of_nothing_is_counted(ledger: Ledger) -> None:
    commit(ledger, "a", 0)
    assert ledger.redeem("a", 3) == "foreign"
    assert (used(ledger), ledger.counts()["foreign"]) == ((0, 0), 1)


def test_expiry_waits_for_the_grace_and_for_the_feed(ledger: Ledger) -> None:
    commit(ledger, "a", 4, until=100.0)
    assert [ledger.expire(now) for now in (100.0, 109.9, 110.0, 111.0)] == [[], [], ["a"], []]
    assert used(ledger) == (0, 0)
    commit(ledger, "b", 4, until=200.0)
    assert ledger.expire(300.0, feed=150.0) == []
    assert ledger.expire(301.0) == []
    assert ledger.expire(302.0, feed=200.0) == ["b"]


def test_a_redemption_after_its_money_went_back_counts(ledger: Ledger) -> None:
    commit(ledger, "a", 8, until=100.0)
    ledger.expire(200.0)
    commit(ledger, "b", 9, until=400.0)
    assert ledger.redeem("a", 8) == "late"
    assert used(ledger) == (8, 9)
    assert ledger.lines()[0].room == -7
    assert ledger.counts()["late_units"] == 8
    with pytest.raises(BcrlspError, match="nothing was committed"):
        commit(ledger, "c", 1)


def test_a_cut_stops_and_a_raise_goes_on(ledger: Ledger) -> None:
    commit(ledger, "a", 6)
    ledger.set_limits({"t": 5.0})
    with pytest.raises(BcrlspError):
        commit(ledger, "b", 1)
    ledger.redeem("a", 3)
    commit(ledger, "b", 2)
    assert used(ledger) == (3, 2)
    ledger.set_limits({"other": 1.0})
    assert [(line.name, line.limit) for line in ledger.lines()] == [("t", None), ("other", 1)]


def test_opening_again_keeps_everything(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    commit(Ledger(SqliteStore(path), {"t": 10.0}, money=WHOLE), "a", 4)
    again = Ledger(SqliteStore(path), {"t": 99.0, "u": 5.0}, money=WHOLE)
    assert [(line.limit, line.out) for line in again.lines()] == [(10, 4), (5, 0)]
    with pytest.raises(DataError, match=r"units of 1.0 and was opened with 0.01"):
        Ledger(SqliteStore(path), {})
    (tmp_path / "text").write_text("no ledger, but long enough to be read as one" * 50)
    with pytest.raises(DataError, match="no ledger"):
        SqliteStore(tmp_path / "text")


def test_what_was_decided_elsewhere_is_taken_in_once(ledger: Ledger) -> None:
    commit(ledger, "a", 4)
    entries = {
        "a": Entry(State.OUT, 1, 4, (4,), None),
        "b": Entry(State.OUT, 1, 9, (9,), None),
        "c": Entry(State.REDEEMED, 1, 5, (5,), None, 2),
        "d": Entry(State.RELEASED, 1, 5, (5,), None),
    }
    ledger.restore(entries)
    ledger.restore(entries)
    assert used(ledger) == (2, 13)  # above the limit of 10: what is out is out
    assert [ledger.redeem(name, 3) for name in "bcd"] == ["settled", "duplicate", "late"]


def test_mistakes_settle_nothing(ledger: Ledger) -> None:
    commit(ledger, "a", 4)
    for amount in (-1, float("nan"), float("inf"), "much"):
        with pytest.raises(UserError, match="bonus 'b'"):
            ledger.redeem_many([("a", 1), ("b", amount)])
    assert used(ledger) == (0, 4)
    with pytest.raises(UserError, match="grace is -1"):
        Ledger(MemoryStore(), {}, grace=-1)


def _serve(path: str, seed: int) -> int:
    budgets = [Limit("t", 301.0), Limit("a", 40.0, groups=["a"])]
    held = Ledger(SqliteStore(path), budgets, money=WHOLE)
    decide = PriceRule(Table(FACES), 0.0, budgets, ledger=held).decide
    rng, spent = np.random.default_rng(seed), 0
    for turn in range(15):
        groups = rng.choice(["a", "b"], 8)
        ids = [f"{seed}-{turn}-{place}" for place in range(8)]
        levels, _ = decide(states_of(rng.normal(size=(8, 3))), groups=groups, ids=ids)
        spent += int(np.array(FACES)[levels].sum())
    return spent


def test_processes_share_one_budget(tmp_path: Path) -> None:
    path = str(tmp_path / "ledger.db")
    SqliteStore(path)
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        spent = pool.starmap(_serve, [(path, seed) for seed in range(3)])
    lines = {line.name: line for line in Ledger(SqliteStore(path), {}, money=WHOLE).lines()}
    assert sum(spent) == lines["t"].out
    assert 299 <= lines["t"].out <= 301
    assert lines["a"].out <= 40


def _serve_for_ever(path: str) -> None:
    for seed in range(10**9):
        _serve(path, os.getpid() * 10**6 + seed)


def test_a_killed_process_leaves_whole_transactions(tmp_path: Path) -> None:
    path = str(tmp_path / "ledger.db")
    SqliteStore(path)
    for wait in (0.05, 0.2):
        process = multiprocessing.get_context("spawn").Process(target=_serve_for_ever, args=(path,))
        process.start()
        while not sqlite3.connect(path).execute("SELECT count(*) FROM entries").fetchone()[0]:
            time.sleep(0.01)
        time.sleep(wait)
        process.kill()
        process.join()
        lines = Ledger(SqliteStore(path), {}, money=WHOLE).lines()
        charges = [
            json.loads(row[0])
            for row in sqlite3.connect(path).execute("SELECT charges FROM entries WHERE state = 1")
        ]
        assert [line.out for line in lines] == np.sum(charges, axis=0).tolist()
        assert all(0 < line.out <= line.limit for line in lines)


class Broken(BaseException):
    """A crash in the middle of a write."""


class Books(RuleBasedStateMachine):
    """Random interleavings of everything, against books kept in plain dictionaries.

    The feed lags, repeats itself and is out of order; money goes back GRACE after a life, and no
    redemption comes later than that: then the invariant holds to the unit.
    """

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.now = 0.0
        self.limits = {"t": 30, "a": 12}
        self.sent: dict[str, tuple[int, bool, float]] = {}
        self.redeemed: dict[str, int] = {}
        self.released: set[str] = set()
        self.number = 0
        # The most that may be used: it falls with what comes back, and rises with commitments.
        self.peak = {"t": 0, "a": 0}

    @initialize(durable=st.booleans())
    def open(self, durable: bool) -> None:
        self.durable = durable
        self.store = MemoryStore()
        self._open()

    def _open(self) -> None:
        if self.durable:
            self.store = SqliteStore(f"{self.folder.name}/ledger.db")
            # Crashes here are exceptions: the disk need not be waited for.
            self.store._connection.execute("PRAGMA synchronous = OFF")
        budgets = [Limit("t", 30.0), Limit("a", 12.0, groups=["a"])]
        self.ledger = Ledger(self.store, budgets, money=WHOLE, grace=GRACE)
        self.rule = PriceRule(Table(FACES), 0.0, budgets, ledger=self.ledger, life=LIFE)

    def _due(self) -> None:
        for name, (_, _, until) in self.sent.items():
            if name not in self.redeemed and until + GRACE <= self.now:
                self.released.add(name)

    def _used(self, budget: str) -> int:
        total = 0
        for name, (face, in_a, _) in self.sent.items():
            if budget == "t" or in_a:
                held = 0 if name in self.released else face
                total += self.redeemed.get(name, held)
        return total

    @rule(
        values=st.lists(st.tuples(st.integers(-1, 3), st.integers(-1, 3)), min_size=1, max_size=6),
        groups=st.lists(st.sampled_from("ab"), min_size=6, max_size=6),
        again=st.booleans(),
        skew=st.sampled_from([-8.0, 0.0]),
        crash=st.booleans(),
    )
    def request(self, values, groups, again, skew, crash) -> None:
        """A batch; some of its requests are repeats. A slow clock of a process gives `skew`."""
        ids = [f"b{self.number + place}" for place in range(len(values))]
        if again and self.sent:
            ids[0] = next(iter(self.sent))
        states = states_of([[0, *row] for row in values])
        groups = np.array(groups[: len(values)])
        told = {"ids": ids, "groups": groups, "now": self.now + skew, "until": self.now + LIFE}
        if crash:
            self._crash_in(lambda: self.rule.decide(states, **told))
            return
        levels, _ = self.rule.decide(states, **told)
        if skew == 0:
            self._due()
        self.number += len(values)
        for name, level, group in zip(ids, levels.tolist(), groups, strict=True):
            if name in self.sent:
                assert level == FACES.index(self.sent[name][0])
            else:
                self.sent[name] = (FACES[level], group == "a", self.now + LIFE)
        for budget, limit in self.limits.items():
            if self._used(budget) > self.peak[budget]:
                assert self._used(budget) <= limit

    @rule(data=st.data(), often=st.integers(1, 2), crash=st.booleans())
    def redeem(self, data, often, crash) -> None:
        """The feed: any bonuses that could still be redeemed, in any order, again and again."""
        may = [name for name, (_, _, until) in self.sent.items()
               if until + GRACE > self.now or name in self.redeemed]  # fmt: skip
        if not may:
            return
        chosen = data.draw(st.lists(st.sampled_from(may), min_size=1, max_size=4))
        pairs = [(n, data.draw(st.integers(0, 7))) for n in chosen] * often
        if crash:
            self._crash_in(lambda: self.ledger.redeem_many(pairs))
        self.ledger.redeem_many(pairs)
        for name, amount in pairs:
            self.redeemed.setdefault(name, min(amount, self.sent[name][0]))

    @rule(step=st.sampled_from([1.0, 7.0, 25.0]))
    def later(self, step) -> None:
        self.now += step
        self.ledger.expire(self.now)
        self._due()

    @rule(total=st.integers(0, 40), group=st.integers(0, 20))
    def change(self, total, group) -> None:
        self.limits = {"t": total, "a": group}
        self.rule.reload(budgets=[Limit("t", total), Limit("a", group, groups=["a"])])

    @rule()
    def restart(self) -> None:
        if self.durable:
            self._open()
            limits = [Limit("t", self.limits["t"]), Limit("a", self.limits["a"], groups=["a"])]
            assert [line.limit for line in self.ledger.lines()] == list(self.limits.values())
            self.rule.reload(budgets=limits)

    def _crash_in(self, action) -> None:
        """The action dies where it writes; the store is as it was, and is opened again."""
        if not self.durable:
            return
        store = self.store

        def broken(*args) -> None:
            type(store).apply(store, *args)
            raise Broken

        store.apply = broken
        with contextlib.suppress(Broken):
            action()
        del store.apply
        self.restart()

    @invariant()
    def books_agree(self) -> None:
        if not hasattr(self, "ledger"):
            return
        for line in self.ledger.lines():
            assert line.used == self._used(line.name)
            self.peak[line.name] = line.used
        assert self.ledger.counts()["late"] == 0

    def teardown(self) -> None:
        self.folder.cleanup()


Books.TestCase.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)
TestBooks = Books.TestCase


def test_the_file_is_plain_sqlite(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    commit(Ledger(SqliteStore(path), {"t": 10.0}, money=WHOLE), "a", 4)
    rows = sqlite3.connect(path).execute("SELECT id, face, state FROM entries").fetchall()
    assert rows == [("a", 4, 1)]
