"""The price rule: choices by hand, against a loop over users, within budgets, between threads."""

import math
import re
import subprocess
import sys
import threading
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from fakes import Table, states_of
from hypothesis import given, settings
from hypothesis import strategies as st

from bcrlsp.allocation import Budget
from bcrlsp.control import Ledger, Limit, MemoryStore, Money, PriceRule
from bcrlsp.errors import DataError, UserError

AMOUNTS = (0.0, 1.0, 3.0)
WHOLE = Money(1.0)


def test_the_best_level_at_a_price_by_hand() -> None:
    states = states_of([[1.0, 1.5, 2.0], [1.0, 1.1, 1.2], [1.0, 2.0, 2.1]])
    levels, propensities = PriceRule(Table(AMOUNTS), 0.3).decide(states)
    # Gains less price x amount: (0.2, 0.1), (-0.2, -0.7), (0.7, 0.2).
    assert levels.tolist() == [1, 0, 1]
    assert propensities.tolist() == [1, 1, 1]
    assert PriceRule(Table(AMOUNTS), 0.0).decide(states)[0].tolist() == [2, 2, 2]


def test_expected_costs_and_holding() -> None:
    states = states_of([[0, 1.0, 2.0]], [[0, 0.5, 2.9]])
    # Expected: 1 - 0.5, 2 - 2.9. Face: 1 - 1, 2 - 3: a tie with nothing. Half: 0.25, -0.95.
    assert PriceRule(Table(AMOUNTS), 1.0, cost="expected").decide(states)[0].tolist() == [1]
    assert PriceRule(Table(AMOUNTS), 1.0).decide(states)[0].tolist() == [0]
    assert PriceRule(Table(AMOUNTS), 1.0, holding=0.5).decide(states)[0].tolist() == [1]


def test_ties_go_to_the_cheaper_then_the_lower_level() -> None:
    value = states_of([[0.0, 2.0, 2.0]])
    assert PriceRule(Table(AMOUNTS)).decide(value)[0].tolist() == [1]
    assert PriceRule(Table((0, 3, 1))).decide(value)[0].tolist() == [2]
    assert PriceRule(Table((0, 2, 2))).decide(value)[0].tolist() == [1]
    # Worth just its price: nothing is cheaper.
    assert PriceRule(Table(AMOUNTS), 1.0).decide(states_of([[0, 1.0, 1.0]]))[0].tolist() == [0]


def test_money_is_not_spent_where_it_does_nothing() -> None:
    states = states_of([[1.0, 1.0, 1.0], [1.0, 0.5, 1.0], [math.nan, 1, 2], [0, math.nan, 1]])
    assert PriceRule(Table(AMOUNTS)).decide(states)[0].tolist() == [0, 0, 0, 2]


def test_masks_and_support() -> None:
    states = states_of([[0, 1.0, 2.0]] * 3)
    eligible = [[True, True, False], [False, False, False], [False, False, True]]
    assert PriceRule(Table(AMOUNTS)).decide(states, eligible)[0].tolist() == [1, 0, 2]
    held = PriceRule(Table(AMOUNTS, supported=[True, True, False]))
    assert held.decide(states)[0].tolist() == [1, 1, 1]


def test_a_user_pays_the_prices_of_the_budgets_that_count_him() -> None:
    budgets = [Budget("total", 100), Budget("new", 100, groups=("n",)), Limit("l", 100, levels=[2])]
    rule = PriceRule(Table(AMOUNTS), {"total": 0.1, "new": 0.5, "l": 0.4}, budgets)
    value = states_of([[0, 0.55, 1.8]] * 2)
    # Old: 0.55 - 0.1, 1.8 - 0.5 * 3. New: 0.55 - 0.6, 1.8 - 3.
    assert rule.decide(value, groups=np.array(["o", "n"]))[0].tolist() == [1, 0]
    used = {line.name: line.out for line in rule.ledger.lines()}
    assert used == {"total": 100, "new": 0, "l": 0}


def test_the_last_money_by_hand() -> None:
    rule = PriceRule(Table(AMOUNTS), 0.0, {"total": 8.0})
    levels, _ = rule.decide(states_of([[0, 1.0, 2.0]] * 6))
    # 3 + 3, then 2 is left: 1 and 1, then nothing.
    assert levels.tolist() == [2, 2, 1, 1, 0, 0]
    assert rule.decide(states_of([[0, 1, 2]]))[0].tolist() == [0]


def test_counts_and_exact_money() -> None:
    counted = PriceRule(Table(AMOUNTS), 0.0, [Limit("few", 2, measure="count")])
    assert counted.decide(states_of([[0, 1, 2]] * 3))[0].tolist() == [2, 2, 0]
    # Ten times 0.1 is 1, not 0.9999.
    tenths = PriceRule(Table((0, 0.1)), 0.0, {"t": 1.0})
    assert tenths.decide(states_of([[0, 1]] * 12))[0].sum() == 10


def loop(rows, room, charges, counted, order):
    """One user after the other: the best level that fits; written without arrays."""
    levels = []
    for score, mine in zip(rows, counted, strict=True):
        best = None
        for level in order:
            fits = all(not mine[k] or charges[k][level] <= room[k] for k in range(len(room)))
            if score[level] > -math.inf and fits and (best is None or score[level] > score[best]):
                best = level
        for k in range(len(room)):
            room[k] -= charges[k][best] if mine[k] else 0
        levels.append(best)
    return levels


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_batch_is_a_loop_over_its_users(data) -> None:
    n, seed = data.draw(st.integers(1, 40)), data.draw(st.integers(0, 2**31))
    limits = data.draw(st.lists(st.integers(0, 40), min_size=3, max_size=3))
    amounts = data.draw(st.permutations([1, 2, 4, 4]))
    price = data.draw(st.sampled_from([0.0, 0.2, 1.0]))
    rng = np.random.default_rng(seed)
    amounts = (0, *amounts)
    value = np.hstack([np.zeros((n, 1)), rng.integers(-1, 6, (n, 4))]).astype(float)
    groups = rng.choice(["a", "b", "c"], n)
    budgets = [
        Limit("total", limits[0]),
        Limit("a", limits[1], groups=["a"]),
        Limit("many", limits[2] // 4, groups=["a", "b"], levels=[1, 2], measure="count"),
    ]
    rule = PriceRule(Table(amounts), {"total": price}, budgets, money=WHOLE)
    levels, _ = rule.decide(states_of(value), groups=groups)
    scores = value - price * np.array(amounts)
    scores[:, 1:][value[:, 1:] <= 0] = -math.inf
    charges = [amounts, amounts, [0, 1, 1, 0, 0]]
    counted = [[True, g == "a", g in "ab"] for g in groups]
    room = [limits[0], limits[1], limits[2] // 4]
    order = sorted(range(5), key=lambda level: (amounts[level], level))
    assert levels.tolist() == loop(scores.tolist(), room, charges, counted, order)
    assert min(room) >= 0
    assert [line.room for line in rule.ledger.lines()] == room


def test_propensities_are_those_of_the_rule_as_played() -> None:
    """Many runs of one batch on tight money: what was said is what happened, at every place."""
    states = states_of([[0, 1, 2]] * 3)
    runs, seen = 1500, np.zeros((3, 3))
    said: dict[tuple[int, ...], np.ndarray] = {}
    for seed in range(runs):
        rule = PriceRule(Table(AMOUNTS), 0.0, {"t": 5.0}, exploration=0.6, seed=seed)
        levels, chances = rule.decide(states)
        seen[np.arange(3), levels] += 1
        said.setdefault(tuple(levels.tolist()), chances)
        assert np.array_equal(said[tuple(levels.tolist())], chances)
    # The probability of a whole path is the product of what was said along it.
    assert sum(float(np.prod(chances)) for chances in said.values()) == pytest.approx(1.0)
    for path, chances in said.items():
        assert sum(AMOUNTS[level] for level in path) <= 5
        assert chances[0] == pytest.approx(0.2 + 0.4 * (path[0] == 2))
    shares = seen / runs
    for place in range(3):
        for level in range(3):
            expected = sum(np.prod(c) for path, c in said.items() if path[place] == level)
            assert shares[place, level] == pytest.approx(expected, abs=0.06)


def test_an_id_is_decided_once() -> None:
    rule = PriceRule(Table(AMOUNTS), 0.0, {"t": 4.0})
    states = states_of([[0, 1, 2]] * 3)
    levels, chances = rule.decide(states, ids=["x", "y", "x"])
    assert levels.tolist() == [2, 1, 2]
    assert chances[:2].tolist() == [1, 1]
    again, chances = rule.decide(states, ids=["y", "x", "z"])
    assert again.tolist() == [1, 2, 0]
    assert np.isnan(chances[:2]).all()
    assert rule.ledger.lines()[0].out == 400


def test_money_comes_back_after_life_and_grace() -> None:
    ledger = Ledger(MemoryStore(), {"t": 3.0}, grace=10.0)
    rule = PriceRule(Table(AMOUNTS), 0.0, {"t": 3.0}, ledger=ledger, life=100.0)
    state = states_of([[0, 1, 2]])
    got = [rule.decide(state, ids=[str(t)], now=float(t))[0][0] for t in (0, 1, 109, 110)]
    assert got == [2, 0, 0, 2]


def test_reloads_are_whole_or_nothing() -> None:
    rule = PriceRule(Table(AMOUNTS), 0.0, {"t": 100.0})
    state = states_of([[0, 1, 2]])
    rule.reload(prices={"t": 0.9}, policy=Table((0, 1, 9)))
    assert rule.decide(state)[0].tolist() == [1]
    with pytest.raises(UserError, match="the price of 't' is nan"):
        rule.reload(prices={"t": math.nan}, budgets={"t": 1.0})
    assert (rule.prices, rule.ledger.lines()[0].limit) == ({"t": 0.9}, 10000)
    rule.reload(budgets={"t": 1.5, "new": 7.0}, prices=0.0)
    assert rule.decide(state)[0].tolist() == [0]
    assert {line.name: line.limit for line in rule.ledger.lines()} == {"t": 150, "new": 700}


def test_threads_and_reloads_never_pass_a_budget() -> None:
    budgets = [Limit("t", 997.0), Limit("a", 200.0, groups=["a"])]
    rule = PriceRule(Table(AMOUNTS), 0.0, budgets)
    rng = np.random.default_rng(0)
    spent: list[tuple[float, float]] = []
    failed: list[BaseException] = []

    def serve(seed: int) -> None:
        rng = np.random.default_rng(seed)
        try:
            for _ in range(60):
                groups = rng.choice(["a", "b"], 16)
                levels, _ = rule.decide(states_of(rng.normal(size=(16, 3))), groups=groups)
                money = np.array(AMOUNTS)[levels]
                spent.append((money.sum(), money[groups == "a"].sum()))
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=serve, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for _ in range(200):
        rule.reload(prices={"t": float(rng.random())})
    for thread in threads:
        thread.join()
    assert failed == []
    total, group = np.sum(spent, axis=0)
    assert (total, group) == (997.0, 200.0)
    assert [line.out for line in rule.ledger.lines()] == [99700, 20000]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: PriceRule(Table(AMOUNTS), -1.0), "the price of '' is -1.0"),
        (lambda: PriceRule(Table(AMOUNTS), {"x": 1}, {"t": 1}), "a price for the budget 'x'"),
        (lambda: PriceRule(Table((1, 2))), "amounts are"),
        (lambda: PriceRule(Table(AMOUNTS), 0, {"t": -1}), "budget 't': limit is -1"),
        (lambda: PriceRule(Table(AMOUNTS), 0, {"t": math.nan}), "budget 't': limit is nan"),
        (lambda: PriceRule(Table(AMOUNTS), 0, [Limit("t", 1, levels=[3])]), "counts level 3"),
        (lambda: PriceRule(Table(AMOUNTS), 0, [Limit("t", 1), Limit("t", 2)]), "given twice"),
        (lambda: PriceRule(Table(AMOUNTS), 0, [Budget("t", 9, minimum=1)]), "has a minimum of 1"),
        (lambda: PriceRule(Table(AMOUNTS), 0, exploration=1.5), "exploration is 1.5"),
        (lambda: PriceRule(Table(AMOUNTS), 0, cost="other"), "cost is 'other'"),
        (lambda: PriceRule(Table(AMOUNTS), 0, life=0), "life is 0"),
        (lambda: PriceRule(Table(AMOUNTS), 0, life="1"), "life is '1'"),
        (lambda: PriceRule(Table(AMOUNTS), 0, exploration="1"), "exploration is '1'"),
        (lambda: PriceRule(Table(AMOUNTS), {"t": "1"}, {"t": 1}), "a price is '1'"),
        (lambda: PriceRule(Table(AMOUNTS), None), "a price is None"),
        (
            lambda: PriceRule(Table(AMOUNTS), 0, {"b": 1}, ledger=Ledger(MemoryStore(), {"a": 1})),
            "the ledger has no budget 'b'",
        ),
        (
            lambda: PriceRule(Table(AMOUNTS), 0, ledger=Ledger(MemoryStore(), {"a": 1})),
            "bounds the budget 'a', which the rule was not given",
        ),
    ],
)  # fmt: skip
def test_mistakes_in_one_line(make, said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        make()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda rule: rule.decide(np.zeros((2, 3, 4))), "3 dimensions"),
        (lambda rule: rule.decide(states_of([[0, 1, 2]]), groups=["a"], ids=["x", "y"]), "2 ids"),
        (lambda rule: rule.decide(states_of([[0, 1, 2]])), "give their groups"),
        (lambda rule: rule.decide(states_of([[0, 1, 2]]), groups=["a", "b"]), "of 2 users"),
        (lambda rule: rule.decide(states_of([[0, 1, 2]]), groups={"s": ["a"]}), "one array"),
        (lambda rule: rule.decide(states_of([[0, 1, 2]]), [[True]], ["a"]), "eligible is"),
    ],
)  # fmt: skip
def test_wrong_inputs_commit_nothing(call, said: str) -> None:
    rule = PriceRule(Table(AMOUNTS), 0.0, [Limit("t", 9.0, groups=["a"])])
    with pytest.raises(DataError, match=said):
        call(rule)
    assert rule.ledger.lines()[0].out == 0
    assert rule.decide(np.zeros((0, 6)))[0].tolist() == []


YES = [True, True, True]


@pytest.mark.parametrize(
    "eligible",
    [
        [["True", "False", "False"]],
        [[True, math.nan, math.nan]],
        [[True, None, None]],
        [[1, 2, 0]],
        [[1, -1, 0]],
        [[1, 0.5, 0]],
        np.ma.masked_array([[1, 1, 1]], mask=[[0, 1, 1]]),
        np.array([["1", "0", "0"]], object),
        np.array([[b"1", b"0", b"0"]]),
        "yes",
        [{"a": 1}],
        [[True, True], [True]],
        np.ones((1, 3), "M8[s]"),
        [1, 1],
        [[1, 1, 1, 1]],
        [YES, YES],
        True,
    ],
)
def test_what_is_no_truth_value_is_one_line(eligible) -> None:
    rule = PriceRule(Table(AMOUNTS), 0.0, {"t": 9.0})
    with pytest.raises(DataError, match="eligible") as caught:
        rule.decide(states_of([[0, 1, 2]]), eligible)
    assert "\n" not in str(caught.value)
    assert rule.ledger.lines()[0].out == 0


@pytest.mark.parametrize(
    "eligible",
    [
        [1, 1, 0], [[1, 1, 0]], [[1.0, 1.0, 0.0]], np.array([[1, 1, 0]], "i1"),
        np.array([[True, True, False]], object), np.ma.masked_array([[1, 1, 0]], mask=False),
        [[0, 1, 0]],
    ],
)  # fmt: skip
def test_truth_values_of_all_types(eligible) -> None:
    assert PriceRule(Table(AMOUNTS)).decide(states_of([[0, 1, 2]]), eligible)[0].tolist() == [1]


def test_support_and_states_are_read_as_strictly() -> None:
    class Odd(Table):
        def supported(self, states):
            return np.full((len(states), 3), math.nan)

    with pytest.raises(DataError, match="what the policy supports is nan in row 0"):
        PriceRule(Odd(AMOUNTS)).decide(states_of([[0, 1, 2]]))
    rule = PriceRule(Table(AMOUNTS))
    for states in ([["0", "1", "2", "0", "0", "0"]], np.ma.masked_array(np.zeros((1, 6)), True)):
        with pytest.raises(DataError, match="states"):
            rule.decide(states)


@pytest.mark.parametrize(
    "arguments",
    [
        ("b", 5.0, {"x": []}),
        ("b", 5.0, {"x": "north"}),
        ("b", 5.0, {}),
        ("b", 5.0, []),
        ("b", 5.0, "north"),
        ("b", 5.0, b"north"),
        ("b", 5.0, 7),
        ("b", 5.0, {"x": 7}),
        ("b", 5.0, {"x": None}),
        ("b", 5.0, [["north"]]),
        ("b", 5.0, {"x": [{}]}),
        ("b", 5.0, np.array([["north"]])),
        ("b", 5.0, (n for n in "ab")),
        ("b", 5.0, None, []),
        ("b", 5.0, None, "1"),
        ("b", 5.0, None, 1),
        ("b", 5.0, None, [1.5]),
        ("b", 5.0, None, ["1"]),
        ("b", 5.0, None, [True]),
        ("b", True),
        ("b", None),
        ("b", "5"),
        ("b", 1j),
        ("b", -0.5),
        ("b", math.nan),
        (7, 5.0),
        ("", 5.0),
    ],
)
def test_a_limit_and_a_budget_refuse_the_same_in_the_same_words(arguments) -> None:
    said = []
    for kind in (Limit, Budget):
        with pytest.raises(UserError) as caught:
            kind(*arguments)
        said.append(str(caught.value))
    assert said[0] == said[1]
    assert "\n" not in said[0]


@pytest.mark.parametrize("missing", [None, math.nan, np.datetime64("NaT")])
@pytest.mark.parametrize("columns", [False, True])
def test_a_limit_counts_no_missing_group(missing, columns) -> None:
    groups = {"x": ["a", missing]} if columns else ["a", missing]
    with pytest.raises(UserError, match="budget 'b' names group None; a user without a value"):
        Limit("b", 5.0, groups)


@pytest.mark.parametrize("limit", [Decimal("2.5"), Fraction(5, 2), np.float32(2.5), 2.5])
def test_limits_of_all_types_are_exact(limit) -> None:
    rule = PriceRule(Table((0, 0.5, 1.0)), 0.0, [Budget("b", limit)])
    assert rule.ledger.lines()[0].limit == 250
    assert rule.decide(states_of([[0, 1, 2]] * 4))[0].tolist() == [2, 2, 1, 0]


def test_a_limit_is_rounded_down_exactly() -> None:
    assert Limit("b", Decimal("0.29" + "9" * 40)).units(Money()) == 29
    assert Limit("b", Fraction(1, 3)).units(Money()) == 33
    assert Limit("b", 2.9, measure="count").units(Money()) == 2
    with pytest.raises(UserError, match="limit of budget 'b' is 1e"):
        Limit("b", 1e30, measure="count").units(Money())


@pytest.mark.parametrize("budgets", [Limit("b", 1), "total", 5.0, ["total"], [5.0], [None]])
def test_budgets_are_a_list(budgets) -> None:
    with pytest.raises(UserError, match=r"allowed: (a list of )?Limit"):
        PriceRule(Table(AMOUNTS), 0.0, budgets)


@pytest.mark.parametrize(
    ("named", "groups", "said"),
    [
        ([1], ["1", "2"], "names group 1 (int, a number), which no user can have"),
        (["1"], [1, 2], "names group '1' (str, a text), which no user can have"),
        (["x"], [1, 2], "names group 'x' (str, a text), which no user can have"),
        ([0.1], [float(np.float32(0.1)), 0.2], "names group 0.1 (float, a number)"),
        ([b"a"], ["a", "b"], "names group b'a' (bytes"),
        (["a", 3], ["3", "a"], "names group 3 (int, a number)"),
        (["a"], [["a"], ["b"]], "groups hold a list or a table"),
        (["a"], [{}, "a"], "groups hold a list or a table"),
        (["a"], "ab", "groups are 'ab'; allowed: a list of values, one a user"),
        (["a"], {"a", "b"}, "groups are {"),
        (["a"], np.array([["a"], ["b"]]), "groups are array("),
        (["a"], 7, "groups are 7"),
        (["a"], ["a"], "groups are of 1 users"),
    ],
)
def test_groups_that_cannot_match_commit_nothing(named, groups, said: str) -> None:
    rule = PriceRule(Table(AMOUNTS), 0.0, [Limit("b", 5.0, groups=named)])
    for _ in range(2):
        with pytest.raises(UserError, match=re.escape(said)) as caught:
            rule.decide(states_of([[0, 1, 2]] * 2), groups=groups)
        assert "\n" not in str(caught.value)
    assert rule.ledger.lines()[0].out == 0


def test_users_of_a_named_group_may_come_late() -> None:
    """Nobody of "new" is in the first batch, and one user's group is not known."""
    rule = PriceRule(Table(AMOUNTS), 0.0, [Limit("b", 5.0, groups=["new", 7])])
    for groups, levels in (
        (["old", None], [2, 2]),
        (["old", math.nan], [2, 2]),
        (["new", "old"], [2, 2]),
        ([7, 7.0], [1, 1]),
        (["new", 8], [0, 2]),
    ):
        assert rule.decide(states_of([[0, 1, 2]] * 2), groups=groups)[0].tolist() == levels


def test_one_user_needs_no_brackets() -> None:
    rule = PriceRule(Table(AMOUNTS), 0.0, [Limit("a", 9.0, groups=["a"])])
    state = states_of([0, 1, 2])[0]
    levels, _ = rule.decide(state, [True, True, False], "a", ids=[7])
    assert levels.tolist() == [1]
    assert rule.ledger.redeem("7", 1.0) == "settled"


def test_groups_by_columns() -> None:
    budgets = [Budget("b", 3.0, groups={"city": ["x"], "age": [1, 2]})]
    rule = PriceRule(Table(AMOUNTS), 0.0, budgets)
    groups = {"city": np.array(["x", "x", "y", "x"]), "age": np.array([1, 3, 1, 2])}
    assert rule.decide(states_of([[0, 1, 2]] * 4), groups=groups)[0].tolist() == [2, 2, 2, 0]


def test_numpy_is_all_that_the_library_form_imports() -> None:
    code = (
        "import sys, bcrlsp.control\n"
        "used = {name.partition('.')[0] for name in sys.modules}\n"
        "print(sorted(used - set(sys.stdlib_module_names) - {'numpy', 'bcrlsp', '__main__'}))"
    )
    found = subprocess.run([sys.executable, "-S", "-c", _PATH + code], capture_output=True,
                           text=True, check=True)  # fmt: skip
    assert found.stdout.strip() == "[]"


# Without site: an editable install would import its own finder.
_PATH = f"import sys; sys.path[:] = {sys.path!r}\n"
