"""Plans against closed forms and against the market's own exact values."""

import numpy as np
import pytest
from planning_logs import AMOUNTS, response_of

from bcrlsp.learning.planner.dynamics import price_of, stationary_spend, values
from bcrlsp.learning.planner.masks import Masks
from bcrlsp.learning.planner.pessimism import cautious_values
from bcrlsp.learning.planner.response import Response, Structure
from bcrlsp.market.chain import build_chain
from bcrlsp.market.oracle import q_values
from bcrlsp.market.settings import Settings as MarketSettings

STRUCTURE = Structure(("walk", 3), ("walk", 2), "conversion", 1, AMOUNTS)


def _spending(structure: Structure) -> np.ndarray:
    paid = np.repeat(np.array(structure.amounts)[:, None], structure.classes, axis=1)
    return np.stack([np.zeros_like(paid), paid])


def test_without_a_bonus_s_effect_the_value_is_a_geometric_sum() -> None:
    """No slope, no lift: every period returns with p, and a bonus only costs."""
    response = response_of(STRUCTURE, {"base": -1.0, "slope": 0.0, "lift": -40.0})
    found = values(response, _spending(STRUCTURE), 0.9, 0.2)
    p = 1 / (1 + np.exp(1.0))
    assert np.allclose(found.reward[:, 0], p / (1 - 0.9), atol=1e-6)
    loss = found.reward[:, 0] - found.reward[:, 3]
    assert np.allclose(loss, 0.2 * p * 5, atol=1e-6)
    assert np.allclose(found.cost[:, :, 0], p * np.array(AMOUNTS), atol=1e-6)


def test_myopic_values_are_the_net_reward() -> None:
    response = response_of(STRUCTURE, {"base": -1.0, "slope": 2.0})
    found = values(response, _spending(STRUCTURE), 0.0, 0.1)
    expected = response.returns * (1 - 0.1 * np.array(AMOUNTS)[:, None])
    assert np.allclose(found.reward, expected)


@pytest.mark.parametrize(("gamma", "price"), [(0.8, 0.0), (0.95, 0.05)])
def test_the_market_s_exact_values(gamma: float, price: float) -> None:
    chain = build_chain(MarketSettings(), AMOUNTS)
    kinds, habits, fatigues = chain.shape
    structure = Structure(
        ("walk", habits - 1), ("walk", fatigues - 1), "conversion", kinds, AMOUNTS
    )
    law = Response(structure, np.zeros(structure.size))
    by_state = chain.return_probability.reshape(kinds, -1, len(AMOUNTS)).transpose(1, 2, 0)
    law.__dict__["returns"] = by_state
    spending = _spending(structure) * chain.redeem_probability
    found = values(law, spending, gamma, price).reward
    exact = q_values(chain, gamma, price).reshape(kinds, -1, len(AMOUNTS)).transpose(1, 2, 0)
    assert np.allclose(found, exact, atol=1e-5)


def test_the_price_spends_the_budget() -> None:
    response = response_of(STRUCTURE, {"base": -1.0, "slope": 2.0, "lift": 0.0})
    spending = _spending(STRUCTURE)
    free = stationary_spend(response, values(response, spending, 0.9, 0.0))
    assert price_of(response, spending, 0.9, free + 0.01) == 0.0
    prices = [price_of(response, spending, 0.9, free * share) for share in (0.75, 0.5, 0.25, 0.0)]
    assert all(np.diff(prices) >= 0)
    assert prices[0] > 0
    for share, price in zip((0.75, 0.5, 0.25, 0.0), prices, strict=True):
        spend = stationary_spend(response, values(response, spending, 0.9, price))
        assert spend <= free * share + 1e-9


def test_stationary_spend_of_one_habit() -> None:
    """Two habit states, bonus always worth it: the share of returners solves the balance."""
    structure = Structure(("walk", 1), ("walk", 1), "conversion", 1, (0.0, 1.0))
    response = response_of(structure, {"base": -1.0, "slope": 1.0, "lift": 3.0, "wear": -9.0})
    spending = _spending(structure)
    plan = values(response, spending, 0.9, 0.0)
    assert (plan.reward.argmax(axis=1) == 1).all()
    low, high = response.returns[1, 1, 0], response.returns[3, 1, 0]
    share = low / (1 - high + low)
    assert np.isclose(stationary_spend(response, plan), share, atol=1e-3)


def test_caution_lowers_advantages_by_the_draws_spread() -> None:
    response = response_of(STRUCTURE, {"base": -1.0, "slope": 2.0})
    near = [
        response_of(STRUCTURE, {"base": -1.0, "slope": 2.0, "lift": lift}) for lift in (-1.5, -0.5)
    ]
    spending = _spending(STRUCTURE)
    plan = values(response, spending, 0.9, 0.05)
    lowered, error = cautious_values(response, near, spending, 0.9, 0.05, 1.0)
    assert np.allclose(error[:, 0], 0)
    assert (error[:, 1:] > 0).all()
    assert np.allclose(lowered.reward, plan.reward - error)
    same, nothing = cautious_values(response, [], spending, 0.9, 0.05, 1.0)
    assert np.allclose(same.reward, plan.reward)
    assert not nothing.any()


def test_levels_that_may_come_are_counted_on_as_often_as_they_come() -> None:
    """V(s) = E_M max over M, by value iteration written out."""
    response = response_of(STRUCTURE, {"base": -1.0, "slope": 2.0, "lift": 0.5})
    allowed = np.array([[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0]], bool)
    masks = Masks.of_log(np.repeat(allowed, [5, 3, 2], axis=0), len(AMOUNTS))
    spending, gamma, price = _spending(STRUCTURE), 0.9, 0.05
    found = values(response, spending, gamma, price, masks)
    chance = response.returns[..., 0]
    net = chance * (1 - price * np.array(AMOUNTS))
    sent = (np.arange(len(AMOUNTS)) > 0).astype(int)
    away, back = (STRUCTURE.after[outcome][sent].T for outcome in (0, 1))
    q = np.zeros_like(net)
    for _ in range(600):
        best = sum(
            share * np.where(may, q, -np.inf).max(axis=1)
            for share, may in zip((0.5, 0.3, 0.2), allowed, strict=True)
        )
        q = net + gamma * (chance * best[back] + (1 - chance) * best[away])
    assert np.allclose(found.reward[..., 0], q, atol=1e-8)
    assert (found.reward < values(response, spending, gamma, price).reward - 0.01).all()


def test_spend_is_of_what_may_be_sent() -> None:
    response = response_of(STRUCTURE, {"base": -1.0, "slope": 2.0, "lift": 0.5})
    spending = _spending(STRUCTURE)
    never = Masks.of_log(np.array([[True, False, False, False]]), len(AMOUNTS))
    assert stationary_spend(response, values(response, spending, 0.9, 0.0, never), never) == 0
    one = Masks.of_log(np.array([[True, True, False, False]]), len(AMOUNTS))
    free = values(response, spending, 0.9, 0.0, one)
    everything = stationary_spend(response, values(response, spending, 0.9, 0.0))
    assert 0 < stationary_spend(response, free, one) < everything
    budget = stationary_spend(response, free, one) / 2
    price = price_of(response, spending, 0.9, budget, one)
    kept = values(response, spending, 0.9, price, one)
    assert stationary_spend(response, kept, one) <= budget + 1e-9
