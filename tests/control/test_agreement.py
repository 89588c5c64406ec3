"""A rule's budgets against its ledger's: the same users, the same measure, the smaller limit."""

import sqlite3
import threading
from pathlib import Path

import numpy as np
import pytest
from fakes import Table, states_of

from bcrlsp.allocation import Budget
from bcrlsp.control import Ledger, Limit, MemoryStore, Money, PriceRule, SqliteStore
from bcrlsp.errors import DataError, UserError

AMOUNTS = (0.0, 1.0, 3.0)
STATES = states_of([[0, 1.0, 2.0]] * 100)


@pytest.fixture(params=["memory", "sqlite"])
def store(request, tmp_path: Path):
    return MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "ledger.db")


def sent(rule: PriceRule, groups=None) -> float:
    """Money that the rule sends when 100 users ask for 3 each."""
    groups = None if groups is None else [groups] * len(STATES)
    return float(np.array(AMOUNTS)[rule.decide(STATES, groups=groups)[0]].sum())


@pytest.mark.parametrize(
    ("ledgers", "rules", "most"),
    [
        (60.0, 21.0, 21.0),
        (21.0, 60.0, 21.0),
        (21.0, 21.0, 21.0),
        (float("inf"), 21.0, 21.0),
        (21.0, float("inf"), 21.0),
        (60.0, 0.0, 0.0),
    ],
)
def test_the_smaller_limit_is_kept_and_said(store, caplog, ledgers, rules, most) -> None:
    ledger = Ledger(store, {"t": ledgers})
    rule = PriceRule(Table(AMOUNTS), 0.0, {"t": rules}, ledger=ledger)
    assert ("was given the limit" in caplog.text) == (ledgers != rules)
    assert sent(rule) == most
    assert sent(rule) == 0


def test_the_smaller_number_of_users_is_kept(store) -> None:
    ledger = Ledger(store, [Limit("n", 10, measure="count")])
    rule = PriceRule(Table(AMOUNTS), 0.0, [Limit("n", 4, measure="count")], ledger=ledger)
    assert sent(rule) == 12


def test_a_restart_keeps_a_cut_and_is_not_silent(tmp_path: Path, caplog) -> None:
    def serve(limit: float) -> PriceRule:
        ledger = Ledger(SqliteStore(tmp_path / "ledger.db"), {"t": limit})
        return PriceRule(Table(AMOUNTS), 0.0, {"t": limit}, ledger=ledger)

    assert sent(serve(9.0)) == 9
    rule = serve(15.0)  # a raise in the service's settings alone: the ledger's 9 stays
    assert "the limit 15.0 and its ledger has 9.0; the smaller one is kept until" in caplog.text
    assert sent(rule) == 0
    rule.ledger.set_limits({"t": 15.0})
    assert sent(rule) == 6
    rule = serve(12.0)  # a cut below what is used
    assert sent(rule) == 0
    rule.reload(budgets={"t": 18.0})
    assert sent(rule) == 3


def test_the_last_word_is_the_limit(store) -> None:
    """3 of the rule against 99; then set_limits, of another rule's reload too, is newer."""
    ledger = Ledger(store, {"t": 99.0})
    rule = PriceRule(Table(AMOUNTS), 0.0, {"t": 3.0}, ledger=ledger)
    other = PriceRule(Table(AMOUNTS), 0.0, {"t": 99.0}, ledger=ledger)
    assert sent(rule) == 3
    rule.reload(prices=0.0)
    assert sent(rule) == 0
    other.reload(budgets={"t": 99.0})  # the same number as before, but said again
    assert sent(rule) == 96


MEASURE = [Limit("t", 5.0, measure="count")]
OTHERS = [
    (MEASURE, "counts cost in the ledger and is to count count"),
    ([Limit("t", 5.0, groups=["n"])], "counts all users, all levels in the ledger and is to count"),
    ([Limit("t", 5.0, groups={"town": ["n"]})], "is to count town 'n', all levels"),
    ([Limit("t", 5.0, levels=[2])], "is to count all users, levels 2"),
]


@pytest.mark.parametrize(("others", "said"), OTHERS)
def test_what_counts_otherwise_is_one_line(store, others, said: str) -> None:
    ledger = Ledger(store, {"t": 5.0})
    for make in (
        lambda: PriceRule(Table(AMOUNTS), 0.0, others, ledger=ledger),
        lambda: Ledger(store, others),
    ):
        with pytest.raises(DataError, match=said) as caught:
            make()
        assert "\n" not in str(caught.value)
    assert [line.limit for line in ledger.lines()] == [500]


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (Limit("b", 9, groups=["x", "y"]), Limit("b", 9, groups=("y", "x", "x"))),
        (Limit("b", 9, groups=[1, 2]), Limit("b", 9, groups=np.array([2.0, 1.0]))),
        (Limit("b", 9, groups={"a": ["x"], "c": [1]}), Budget("b", 9, {"c": {1}, "a": {"x"}})),
        (Limit("b", 9, levels=[1, 2]), Budget("b", 9, levels=np.array([2, 1]))),
    ],
)
def test_the_same_in_other_words_agrees(store, one, two) -> None:
    PriceRule(Table(AMOUNTS), 0.0, [two], ledger=Ledger(store, [one]))
    Ledger(store, [two])


def test_a_rule_that_does_not_know_what_others_changed_decides_nothing(store) -> None:
    """Another service adds a budget, or changes whom one counts: until it is told, nothing."""
    budgets = [Limit("t", 99.0)]
    first, second = (
        PriceRule(Table(AMOUNTS), 0.0, budgets, ledger=Ledger(store, budgets)) for _ in range(2)
    )
    more = [Limit("t", 99.0), Limit("n", 6.0, groups=["n"])]
    first.reload(budgets=more)
    with pytest.raises(DataError, match="bounds the budget 'n', which the rule was not given"):
        second.decide(STATES, groups=["n"] * 100)
    second.reload(budgets=more)
    assert sent(second, "n") == 6
    first.reload(budgets=[more[0], Limit("n", 9.0, groups=["o"])])
    with pytest.raises(DataError, match="counts groups 'o', all levels in the ledger"):
        second.decide(STATES, groups=["n"] * 100)
    assert sum(line.out for line in first.ledger.lines()) == 1200


def test_a_reload_amid_decisions_never_fails_one() -> None:
    budgets = [Limit("t", 1e6)], [Limit("t", 1e6), Limit("n", 1e6, groups=["n"])]
    rule = PriceRule(Table(AMOUNTS), 0.0, budgets[0])
    failed: list[BaseException] = []

    def serve() -> None:
        try:
            for _ in range(150):
                rule.decide(STATES[:2], groups=["n", "o"])
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=serve) for _ in range(3)]
    for thread in threads:
        thread.start()
    for turn in range(150):
        rule.reload(budgets=budgets[turn % 2])
    for thread in threads:
        thread.join()
    assert failed == []


def test_a_file_of_an_earlier_version_learns_what_it_counts(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    Ledger(SqliteStore(path), [Limit("t", 5.0, groups=["n"])])
    with sqlite3.connect(path) as plain:
        plain.execute("ALTER TABLE lines DROP COLUMN scope")
    store = SqliteStore(path)
    assert store.lines()[0].scope is None
    rule = PriceRule(Table(AMOUNTS), 0.0, [Limit("t", 5.0, groups=["n"])],
                     ledger=Ledger(store, [Limit("t", 5.0, groups=["n"])]))  # fmt: skip
    assert sent(rule, "n") == 5
    with pytest.raises(DataError, match="counts groups 'n', all levels in the ledger"):
        Ledger(SqliteStore(path), {"t": 5.0})


def test_the_unit_is_the_ledgers(store) -> None:
    ledger = Ledger(store, {"t": 5.0}, money=Money(1.0))
    assert PriceRule(Table(AMOUNTS), 0.0, {"t": 5.0}, ledger=ledger).ledger.money == Money(1.0)
    with pytest.raises(UserError, match=r"money counts in 0.1 and the ledger in 1.0"):
        PriceRule(Table(AMOUNTS), 0.0, {"t": 5.0}, ledger=ledger, money=Money(0.1))
