import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from bcrlsp.errors import UserError
from bcrlsp.evaluation import greedy, priced, smoothed

Q = hnp.arrays(np.float64, (5, 4), elements=st.integers(-3, 3).map(float))
MASKS = hnp.arrays(np.bool_, (5, 4)).map(lambda m: m | (np.arange(4) == 0))


def test_greedy_takes_the_lowest_of_equals():
    np.testing.assert_array_equal(greedy([[1.0, 2.0, 2.0]]), [[0, 1, 0]])


def test_a_price_of_zero_prefers_the_cheaper_of_equals():
    np.testing.assert_array_equal(priced([[2.0, 2.0]], [[3.0, 1.0]], 0.0), [[0, 1]])


def test_price_by_hand():
    q, cost = [[1.0, 2.0, 2.5]], [0.0, 1.0, 2.0]
    assert priced(q, cost, 0.4).argmax() == 2
    assert priced(q, cost, 0.6).argmax() == 1
    assert priced(q, cost, 1.1).argmax() == 0
    assert priced([q[0], q[0]], cost, [0.4, 1.1]).argmax(1).tolist() == [2, 0]


def test_a_tie_at_the_price_is_under_the_budget():
    assert priced([[1.0, 2.0]], [0.0, 1.0], 1.0).argmax() == 0


@settings(deadline=None)
@given(Q, Q.map(np.abs), MASKS, st.floats(0, 5))
def test_one_allowed_level_each(q, cost, mask, price):
    target = priced(q, cost, price, allowed=mask)
    assert (target.sum(1) == 1).all()
    assert (target[~mask] == 0).all()
    best = np.where(mask, q - price * cost, -np.inf).max(1)
    np.testing.assert_allclose((target * (q - price * cost)).sum(1), best)


@settings(deadline=None)
@given(Q, Q.map(np.abs), st.floats(0, 5), st.floats(0, 5))
def test_a_higher_price_never_spends_more(q, cost, one, two):
    low, high = sorted([one, two])
    spend = [(priced(q, cost, price) * cost).sum(1) for price in (low, high)]
    assert (spend[1] <= spend[0] + 1e-9).all()


@settings(deadline=None)
@given(Q, MASKS, st.floats(0, 1))
def test_smoothing_keeps_probabilities(q, mask, epsilon):
    target = smoothed(greedy(q, allowed=mask), epsilon, allowed=mask)
    np.testing.assert_allclose(target.sum(1), 1)
    assert (target[~mask] == 0).all()
    assert (target[mask] >= 0).all()


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: greedy([[np.nan, 1.0]]), "nan in row 0, level 0"),
        (lambda: greedy([1.0, 2.0]), r"\(2,\)"),
        (lambda: greedy([[1.0]], allowed=[[False]]), "no level is allowed in row 0"),
        (lambda: greedy([[1.0]], allowed=[[True, True]]), r"\(1, 2\)"),
        (lambda: priced([[1.0, 2.0]], [0.0, 1.0], -0.5), "price is -0.5"),
        (lambda: priced([[1.0, 2.0]], [0.0, 1.0], [1.0, 2.0]), r"price has the shape \(2,\)"),
        (lambda: priced([[1.0, 2.0]], [0.0, 1.0, 2.0], 1.0), r"cost has the shape \(3,\)"),
        (lambda: priced([[1.0, 2.0]], [0.0, np.inf], 1.0), "cost is"),
        (lambda: smoothed([[1.0, 0.0]], 1.5), "epsilon is 1.5"),
        (lambda: smoothed([[1.0, 0.0], [0.5, 0.4]], 0.1), "row 1, its sum 0.9; allowed"),
        (lambda: smoothed([[1.5, -0.5]], 0.1), r"\[1.5, -0.5\] in row 0"),
    ],
)
def test_mistakes_are_one_line(call, says):
    with pytest.raises(UserError, match=says) as caught:
        call()
    assert "\n" not in str(caught.value)
