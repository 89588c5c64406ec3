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


@pytest.mark.parametrize("others", [0, 2])
def test_a_request_asked_again_as_it_expires_redeems_nothing(ledger: Ledger, others: int) -> None:
    """By hand: 5 goes out and back; asked again it is released, not redeemed, and pays late."""
    rule = PriceRule(Table(FACES), 0.0, {"t": 10.0}, ledger=ledger)
    five = states_of([[0, 1, 2]])
    rule.decide(five, ids=["a"], now=0.0, until=20.0)
    ids = ["a", *"xyz"[:others], "a"]
    levels, chances = rule.decide(np.repeat(five, len(ids), 0), ids=ids, now=30.0, until=60.0)
    assert levels.tolist() == [2] * len(ids)  # its old level: it is not sent a second time
    assert np.isnan(chances).tolist() == [name == "a" for name in ids]
    assert ledger.entries(["a"])["a"] == Entry(State.RELEASED, 2, 5, (5,), 20.0, 0)
    assert used(ledger) == (0, 5 * others)
    assert set(ledger.counts().values()) == {0}
    assert ledger.redeem("a", 5.0) == "late"
    assert used(ledger) == (5, 5 * others)
    assert (ledger.counts()["late"], ledger.counts()["late_units"]) == (1, 5)
    left = rule.decide(np.repeat(five, 3, 0), ids=list("mno"), now=31.0, until=60.0)[0]
    assert np.array(FACES)[left].sum() == max(5 - 5 * others, 0)


def test_a_count_gets_its_user_back_when_asked_again(ledger: Ledger) -> None:
    ledger.set_limits([Limit("n", 1, measure="count")])
    rule = PriceRule(Table(FACES), 0.0, [Limit("n", 1, measure="count")], ledger=ledger)
    one = states_of([[0, 1, 2]])
    rule.decide(one, ids=["a"], now=0.0, until=20.0)
    rule.decide(one, ids=["a"], now=40.0, until=60.0)
    line = ledger.lines()[1]
    assert (line.redeemed, line.out) == (0, 0)
    assert rule.decide(one, ids=["b"], now=41.0, until=60.0)[0].tolist() == [2]


def test_an_early_redemption_and_an_expiry_in_one_call(ledger: Ledger) -> None:
    """a expires, b was redeemed before its request: both are asked in one call."""
    commit(ledger, "a", 4, until=20.0)
    ledger.redeem("b", 2)

    def choose(room, places):
        assert (room.tolist(), places.tolist()) == ([10], [1])
        return Chosen(np.array([1]), np.array([5]), np.array([[5]]))

    levels, fresh = ledger.reserve(["a", "b"], 2, ["t"], choose, now=30.0, until=50.0)
    assert (levels.tolist(), fresh.tolist()) == ([1, 1], [1])
    states = {name: entry.state for name, entry in ledger.entries(["a", "b"]).items()}
    assert states == {"a": State.RELEASED, "b": State.REDEEMED}
    assert used(ledger) == (2, 0)
    assert ledger.counts()["early"] == 0


def test_what_is_restored_is_settled_by_its_early_redemption(ledger: Ledger) -> None:
    ledger.redeem_many([("a", 2), ("b", 9), ("c", 3), ("d", 3)])
    ledger.restore(
        {
            "a": Entry(State.OUT, 1, 4, (4,), None),
            "b": Entry(State.RELEASED, 1, 5, (5,), None),
            "c": Entry(State.NOTHING, 0, 0, (0,), None),
            "d": Entry(State.REDEEMED, 1, 4, (4,), None, 3),
        }
    )
    assert used(ledger) == (2 + 5 + 3, 0)
    counts = ledger.counts()
    assert [counts[name] for name in ("early", "late", "late_units", "foreign")] == [0, 1, 5, 1]
    assert counts["excess_units"] == 4
    assert set(ledger.redeem_many([(name, 3) for name in "abcd"])) == {"duplicate"}


def test_a_second_amount_of_an_early_redemption_is_a_conflict(ledger: Ledger) -> None:
    assert ledger.redeem_many([("a", 0), ("a", 5)]) == ["early", "duplicate"]
    assert ledger.counts()["conflicts"] == 1


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ([None, "b"], "ids has None in row 0"),
        (["b", float("nan")], "ids has nan in row 1"),
        ([np.datetime64("NaT"), "b"], "ids has NaT in row 0"),
        (np.ma.masked_array(["a", "b"], [True, False]), "ids has -- in row 0"),
        (["b", ""], "ids has '' "),
        ([1.0, 2.0], "ids has 1.0 "),
        ([True, False], "ids has True "),
        ([b"a", b"b"], "ids has b'a' "),
        ([("a", 1), ("b", 1)], "ids has "),
        (["b", "\ud800"], "row 1, which is no valid text"),
        ("ab", "ids is 'ab'; allowed: a list of ids"),
        (b"ab", "ids is b'ab'"),
        ({"a", "b"}, "ids is {"),
        ({"a": 1, "b": 2}, "ids is {"),
        (7, "ids is 7"),
        (np.array([["a"], ["b"]]), r"ids is array\("),
        (["a"], "1 ids for 2 states"),
    ],
)
def test_what_is_no_id_commits_nothing(ledger: Ledger, bad, said: str) -> None:
    rule = PriceRule(Table(FACES), 0.0, {"t": 10.0}, ledger=ledger)
    for call in (
        lambda: rule.decide(states_of([[0, 1, 2]] * 2), ids=bad),
        lambda: ledger.reserve(bad, 2, ["t"], lambda *_: pytest.fail("was asked")),
    ):
        with pytest.raises(DataError, match=said) as caught:
            call()
        assert "\n" not in str(caught.value)
    assert used(ledger) == (0, 0)


@pytest.mark.parametrize(
    "ids", [[7, 8], np.array([7, 8]), ["7", "8"], np.array(["7", "8"]), np.array([7, 8], object)]
)
def test_a_number_is_the_id_of_its_digits_everywhere(ledger: Ledger, ids) -> None:
    rule = PriceRule(Table(FACES), 0.0, {"t": 10.0}, ledger=ledger)
    assert rule.decide(states_of([[0, 1, 2]] * 2), ids=ids)[0].tolist() == [2, 2]
    assert ledger.redeem(7, 3) == "settled"
    assert ledger.redeem_many([("7", 3), (np.int64(8), 3)]) == ["duplicate", "settled"]
    assert set(ledger.entries([7, np.int8(8)])) == {"7", "8"}
    assert used(ledger) == (6, 0)
    for bad in (None, float("nan"), ""):
        with pytest.raises(UserError, match="bonus ids has"):
            ledger.redeem_many([("7", 1), (bad, 1)])


def test_an_id_is_not_for_two_users(ledger: Ledger) -> None:
    rule = PriceRule(
        Table(FACES), 0.0, [Limit("t", 10.0), Limit("a", 9.0, groups=["a"])],
        ledger=Ledger(MemoryStore(), [Limit("t", 10.0), Limit("a", 9.0, groups=["a"])]),
    )  # fmt: skip
    one, two = [0, 1, 2], [0, 2, 1]
    for states, groups, eligible in (
        ([one, two], ["a", "a"], None),
        ([one, one], ["a", "b"], None),
        ([one, one], ["a", "a"], [[1, 1, 1], [1, 1, 0]]),
    ):
        with pytest.raises(DataError, match="ids has 'x' in rows 0 and 1, of users who differ"):
            rule.decide(states_of(states), eligible, groups, ids=["x", "x"])
    assert [line.out for line in rule.ledger.lines()] == [0, 0]
    levels, _ = rule.decide(states_of([one, one]), [[1, 1, 0]] * 2, ["a", "a"], ids=["x", "x"])
    assert (levels.tolist(), rule.ledger.lines()[0].out) == ([1, 1], 200)


@pytest.mark.parametrize(
    ("times", "said"),
    [
        ({"now": float("inf")}, "now is inf"),
        ({"now": float("nan")}, "now is nan"),
        ({"now": "noon"}, "now is 'noon'"),
        ({"now": 1e9, "until": float("nan")}, "until is nan"),
        ({"now": 1e9, "until": 14400.0}, "until is 14400.0, before now"),
    ],
)
def test_times_that_make_no_sense_commit_nothing(ledger: Ledger, times, said: str) -> None:
    commit(ledger, "a", 4, until=100.0)
    rule = PriceRule(Table(FACES), 0.0, {"t": 10.0}, ledger=ledger)
    with pytest.raises(DataError, match=said):
        rule.decide(states_of([[0, 1, 2]]), ids=["b"], **times)
    for told in (float("nan"), "noon"):
        with pytest.raises(DataError, match="feed is"):
            ledger.expire(1e9, feed=told)
    assert used(ledger) == (0, 4)


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
    for amount in (-1, float("nan"), float("inf"), "much", "1", None, True):
        with pytest.raises(UserError, match="bonus 'b'"):
            ledger.redeem_many([("a", 1), ("b", amount)])
    assert used(ledger) == (0, 4)
    for pairs in ({"a": 1}, ["a"], 7, [("a", 1, 2)]):
        with pytest.raises(UserError, match="allowed: pairs of a bonus id and an amount"):
            ledger.redeem_many(pairs)
    for grace in (-1, float("nan"), "1"):
        with pytest.raises(UserError, match="grace is "):
            Ledger(MemoryStore(), {}, grace=grace)


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

    The feed lags, repeats itself, is out of order, comes before its bonus and after its money went
    back; requests are asked again at any time, also at the very moment at which they expire.
    """

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.now = 0.0
        self.limits = {"t": 30, "a": 12, "n": 9}
        self.sent: dict[str, tuple[int, bool, float]] = {}
        self.redeemed: dict[str, int] = {}
        self.early: dict[str, int] = {}
        self.released: set[str] = set()
        self.number = 0
        self.told = dict.fromkeys(
            ("duplicates", "late", "late_units", "foreign", "excess_units"), 0
        )

    def _budgets(self) -> list[Limit]:
        return [
            Limit("t", float(self.limits["t"])),
            Limit("a", float(self.limits["a"]), groups=["a"]),
            Limit("n", self.limits["n"], measure="count"),
        ]

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
        budgets = self._budgets()
        self.ledger = Ledger(self.store, budgets, money=WHOLE, grace=GRACE)
        self.rule = PriceRule(Table(FACES), 0.0, budgets, ledger=self.ledger, life=LIFE)

    def _due(self, now: float) -> None:
        for name, (face, _, until) in self.sent.items():
            if face and name not in self.redeemed and until + GRACE <= now:
                self.released.add(name)

    def _used(self, budget: str) -> int:
        total = 0
        for name, (face, in_a, _) in self.sent.items():
            if face and (budget != "a" or in_a):
                held = 0 if name in self.released else face
                money = self.redeemed.get(name, held)
                users = int(name in self.redeemed or name not in self.released)
                total += users if budget == "n" else money
        return total

    def _take_in(self, name: str, amount: int) -> str:
        """What a redemption does to these books."""
        if name in self.redeemed or name in self.early:
            self.told["duplicates"] += 1
            return "duplicate"
        if name not in self.sent:
            self.early[name] = amount
            return "early"
        return self._settle(name, amount)

    def _settle(self, name: str, amount: int) -> str:
        face = self.sent[name][0]
        self.redeemed[name] = min(amount, face)
        if not face:
            self.told["foreign"] += 1
            return "foreign"
        self.told["excess_units"] += max(amount - face, 0)
        if name not in self.released:
            return "settled"
        self.told["late"] += 1
        self.told["late_units"] += min(amount, face)
        return "late"

    @rule(
        values=st.lists(st.tuples(st.integers(-1, 3), st.integers(-1, 3)), min_size=1, max_size=6),
        groups=st.lists(st.sampled_from("ab"), min_size=6, max_size=6),
        data=st.data(),
        again=st.integers(0, 3),
        twice=st.booleans(),
        skew=st.sampled_from([-8.0, 0.0]),
        crash=st.booleans(),
    )
    def request(self, values, groups, data, again, twice, skew, crash) -> None:
        """A batch; some of its requests are repeats. A slow clock of a process gives `skew`."""
        ids = [f"b{self.number + place}" for place in range(len(values))]
        groups = groups[: len(values)]
        if again and self.sent:
            asked = st.lists(st.sampled_from(sorted(self.sent)), max_size=again, unique=True)
            for place, name in enumerate(data.draw(asked)[: len(ids)]):
                ids[place] = name
        if twice:
            ids, values, groups = [*ids, ids[-1]], [*values, values[-1]], [*groups, groups[-1]]
        if crash:
            self._crash_in(lambda: self._decide(ids, values, groups, skew))
            return
        self.number += len(values)
        self._ask(ids, values, groups, skew)

    @rule(data=st.data(), after=st.sampled_from([-1.0, 0.0, 5.0]), others=st.integers(0, 2))
    def ask_again_as_it_expires(self, data, after, others) -> None:
        """The request of a bonus that is out, when its grace ends; with it other requests."""
        out = sorted(
            name for name, (face, _, _) in self.sent.items()
            if face and name not in self.redeemed and name not in self.released
        )  # fmt: skip
        if out:
            name = data.draw(st.sampled_from(out))
            self.now = max(self.now, self.sent[name][2] + GRACE + after)
            new = [f"b{self.number + place}" for place in range(others)]
            self.number += others
            self._ask([name, *new], [(1, 2)] * (1 + others), ["a"] * (1 + others), 0.0)

    def _decide(self, ids, values, groups, skew):
        states = states_of([[0, *row] for row in values])
        now, until = self.now + skew, self.now + LIFE
        return self.rule.decide(states, groups=np.array(groups), ids=ids, now=now, until=until)

    def _ask(self, ids, values, groups, skew) -> None:
        levels, chances = self._decide(ids, values, groups, skew)
        now, until = self.now + skew, self.now + LIFE
        self._due(now)
        before = {budget: self._used(budget) for budget in self.limits}
        known = set(self.sent)
        for name, level, group, chance in zip(ids, levels.tolist(), groups, chances, strict=True):
            if name in self.sent:
                assert level == FACES.index(self.sent[name][0])
                assert np.isnan(chance)
            else:
                assert chance == 1
                self.sent[name] = (FACES[level], group == "a", until)
        for budget, limit in self.limits.items():
            if self._used(budget) > before[budget]:
                assert self._used(budget) <= limit
        for name in set(self.sent) - known:
            if name in self.early:
                self._settle(name, self.early.pop(name))

    @rule(data=st.data(), often=st.integers(1, 2), crash=st.booleans())
    def redeem(self, data, often, crash) -> None:
        """The feed: any bonuses, also those to come, in any order, again and again."""
        may = [*self.sent, *(f"b{self.number + place}" for place in range(3))]
        chosen = data.draw(st.lists(st.sampled_from(may), min_size=1, max_size=4))
        pairs = [(n, data.draw(st.integers(0, 7))) for n in chosen] * often
        if crash:
            self._crash_in(lambda: self.ledger.redeem_many(pairs))
        assert self.ledger.redeem_many(pairs) == [self._take_in(*pair) for pair in pairs]

    @rule(step=st.sampled_from([1.0, 7.0, 25.0, LIFE + GRACE]), expire=st.booleans())
    def later(self, step, expire) -> None:
        """Time goes by; money comes back now, or in the next decision."""
        self.now += step
        if expire:
            self.ledger.expire(self.now)
            self._due(self.now)

    @rule(total=st.integers(0, 40), group=st.integers(0, 20), users=st.integers(0, 12))
    def change(self, total, group, users) -> None:
        self.limits = {"t": total, "a": group, "n": users}
        self.rule.reload(budgets=self._budgets())

    @rule()
    def restart(self) -> None:
        if self.durable:
            self._open()
            assert [line.limit for line in self.ledger.lines()] == list(self.limits.values())

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
        counts = self.ledger.counts()
        assert {name: counts[name] for name in self.told} == self.told
        assert counts["early"] == len(self.early)

    def teardown(self) -> None:
        self.folder.cleanup()


Books.TestCase.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)
TestBooks = Books.TestCase


def test_the_file_is_plain_sqlite(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    commit(Ledger(SqliteStore(path), {"t": 10.0}, money=WHOLE), "a", 4)
    rows = sqlite3.connect(path).execute("SELECT id, face, state FROM entries").fetchall()
    assert rows == [("a", 4, 1)]
