"""The chain: monotone and concave whatever the settings, and its arrays agree with each other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bcrlsp.errors import ConfigError, DataError
from bcrlsp.market import Market, Settings, build_chain
from bcrlsp.market.settings import UserType

AMOUNTS = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0)
CHAIN = build_chain(Settings(), AMOUNTS)

kinds = st.builds(
    UserType,
    share=st.just(1.0),
    base=st.floats(-4, 2),
    slope=st.floats(0, 1.5),
    lift=st.floats(0, 1),
    scale=st.floats(0.1, 20),
    wear=st.floats(0.05, 1),
)


@given(
    kind=kinds,
    steps=st.lists(st.floats(0.01, 10), min_size=1, max_size=8),
)
def test_a_higher_bonus_never_lowers_the_return_and_adds_less_and_less(kind, steps) -> None:
    amounts = np.concatenate([[0.0], np.cumsum(steps)])
    chain = build_chain(Settings(types=(kind,)), tuple(amounts))
    chance = chain.return_probability
    assert (chance > 0).all()
    assert (chance <= 1).all()
    slopes = np.diff(chance, axis=-1) / np.diff(amounts)
    assert (slopes >= -1e-12).all()
    assert (np.diff(slopes, axis=-1) <= 1e-9).all()
    # Bonuses wear out, habit helps, and nothing sent costs nothing.
    assert (np.diff(chance, axis=2) <= 1e-12).all()
    assert (np.diff(chance[..., 0], axis=1) >= -1e-12).all()
    assert (chain.expected_cost[..., 0] == 0).all()
    assert (np.diff(chain.expected_cost, axis=-1) >= 0).all()


def test_the_response_is_the_published_formula() -> None:
    kind = UserType(share=1.0, base=-1.0, slope=0.5, lift=0.4, scale=2.0, wear=0.5, redeem=0.8)
    chain = build_chain(Settings(types=(kind,)), (0.0, 3.0))
    free = 1 / (1 + np.exp(1.0 - 0.5 * 2))
    expected = free + (1 - free) * 0.4 * (1 - np.exp(-1.5)) * 0.5**3
    assert chain.return_probability[0, 2, 3, 1] == pytest.approx(expected)
    assert chain.expected_cost[0, 2, 3, 1] == pytest.approx(3.0 * 0.8 * expected)


def test_transitions_are_probabilities_and_types_never_mix() -> None:
    dense = CHAIN.transitions
    assert np.allclose(dense.sum(axis=2), 1)
    kind = np.arange(dense.shape[0]) // (CHAIN.shape[1] * CHAIN.shape[2])
    mixing = dense * (kind[:, None, None] != kind[None, None, :])
    assert mixing.sum() == 0


def test_the_start_is_the_equilibrium_of_a_market_without_bonuses() -> None:
    start = CHAIN.initial
    assert start.sum(axis=(1, 2)) == pytest.approx(CHAIN.shares)
    after = start.ravel() @ CHAIN.transitions[:, 0]
    assert np.allclose(after, start.ravel(), atol=1e-12)


def test_users_move_as_the_transitions_say() -> None:
    market = Market(CHAIN)
    start = np.zeros(CHAIN.shape)
    start[2, 3, 1] = 1.0
    market.reset(200_000, 5, start)
    state = market.states[0]
    market.step(np.full(200_000, 4))
    share = np.bincount(market.states, minlength=start.size) / 200_000
    assert np.allclose(share, CHAIN.transitions[state, 4], atol=4 * np.sqrt(0.25 / 200_000))


@pytest.mark.parametrize("levels", [[0, 0], [0, 6, 0], [0, -1, 0]])
def test_the_market_refuses_levels_it_does_not_have(levels) -> None:
    market = Market(CHAIN)
    market.reset(3, 1)
    with pytest.raises(DataError, match="takes 3 levels of 0 to 5"):
        market.step(np.array(levels))


@pytest.mark.parametrize("amounts", [(0.0,), (1.0, 2.0), (0.0, 2.0, 2.0)])
def test_amounts_must_rise_from_zero(amounts) -> None:
    with pytest.raises(ConfigError, match="each above the one before"):
        build_chain(Settings(), amounts)


def test_shares_must_add_up() -> None:
    kind = UserType(share=0.5, base=0, slope=0, lift=0.1, scale=1, wear=1)
    with pytest.raises(ValidationError, match=r"the shares of the types add up to 0\.5"):
        Settings(types=(kind,))
