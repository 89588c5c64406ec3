"""Prices drawn in training: one network knows the optimum at every price."""

import numpy as np
import pytest
from known_mdp import EVERY_STATE, MDP, learn
from test_batches import LOG, sampler

from bcrlsp.errors import ConfigError
from bcrlsp.policies import load_policy, save_policy

LARGEST = 0.4


@pytest.mark.parametrize("name", ["dqn", "rbcq"])
def test_one_network_knows_the_optimum_at_every_price(name: str, tmp_path) -> None:
    trained = learn(name, largest_price=LARGEST, updates=3000, iteration=1000, hidden=(64,))
    policy = load_policy(save_policy(trained.policy, str(tmp_path / "p")))
    assert policy.largest_price == LARGEST
    greedy = []
    for price in (0.05, 0.2, 0.35):
        expected = MDP.optimum(price=price) + price * MDP.cost
        np.testing.assert_allclose(policy.q_values(EVERY_STATE, price), expected, atol=0.3)
        chosen = policy.probabilities(EVERY_STATE, price=price)
        best = MDP.optimum(price=price)
        assert (chosen * best).sum() >= 0.97 * best.max(axis=1).sum()
        greedy.append(chosen.argmax(axis=1))
    assert (greedy[0] != greedy[2]).any()  # what is best depends on the price
    beyond = policy.q_values(EVERY_STATE, 10 * LARGEST)
    np.testing.assert_array_equal(beyond, policy.q_values(EVERY_STATE, LARGEST))


def test_the_price_of_a_row_is_its_states_last_column_and_its_rewards() -> None:
    batch = sampler(LOG, largest_price=0.5, n_step=3).batch(4)
    plain = sampler(LOG, n_step=3).batch(4)
    price = batch.states[:, -1]
    assert (batch.states[:, :-1] == plain.states).all()
    assert (batch.next_states[:, -1] == price).all()
    assert 0 <= price.min() < 0.2 < price.max() <= 0.5
    np.testing.assert_allclose(batch.rewards, plain.rewards - price * plain.spent, atol=1e-6)
    parts = [sampler(LOG, largest_price=0.5, n_step=3, part=k, parts=3).batch(4) for k in range(3)]
    for k, part in enumerate(parts):
        assert (part.states == batch.states[k::3]).all()


def test_a_price_and_a_largest_price_exclude_each_other() -> None:
    with pytest.raises(ConfigError, match=r"price 0\.1 and largest_price 0\.4; allowed: one"):
        learn("dqn", price=0.1, largest_price=LARGEST)
