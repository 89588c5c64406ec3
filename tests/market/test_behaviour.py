"""The logging policy: exact propensities that follow from the visible past."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bcrlsp.market import Behaviour, Market, Settings, build_chain, play
from bcrlsp.market.settings import BehaviourSettings

AMOUNTS = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0)


@given(
    noise=st.floats(0, 1),
    no_send_probability=st.floats(0, 0.97),
    levels=st.integers(2, 9),
    seed=st.integers(0, 99),
    periods=st.integers(0, 12),
)
def test_propensities_are_a_distribution(noise, no_send_probability, levels, seed, periods) -> None:
    rng = np.random.default_rng(seed)
    behaviour = Behaviour(
        BehaviourSettings(noise=noise, no_send_probability=no_send_probability), levels
    )
    past = rng.integers(0, levels, (periods, 7))
    chance = behaviour.propensities(past, rng.random((periods, 7)) < 0.3)
    assert chance.shape == (7, levels)
    assert (chance >= 0).all()
    assert np.allclose(chance.sum(axis=1), 1)


def test_only_the_recent_past_counts() -> None:
    rng = np.random.default_rng(0)
    behaviour = Behaviour(BehaviourSettings(), 6)
    levels, returned = rng.integers(0, 6, (20, 50)), rng.random((20, 50)) < 0.2
    whole = behaviour.propensities(levels, returned)
    assert np.array_equal(whole, behaviour.propensities(levels[-7:], returned[-7:]))


def test_noise_spreads_the_bonuses_and_leaves_the_silence() -> None:
    rng = np.random.default_rng(1)
    levels, returned = rng.integers(0, 6, (9, 500)), rng.random((9, 500)) < 0.3
    sharp, flat = (
        Behaviour(BehaviourSettings(noise=n), 6).propensities(levels, returned) for n in (0.0, 1.0)
    )
    assert np.array_equal(sharp[:, 0], flat[:, 0])
    assert ((sharp[:, 1:] > 0).sum(axis=1) == 1).all()
    assert np.allclose(flat[:, 1:], (1 - flat[:, :1]) / 5)


def test_levels_are_drawn_as_often_as_the_propensities_say() -> None:
    behaviour = Behaviour(BehaviourSettings(noise=0.4), 6)
    chance = behaviour.propensities(np.zeros((1, 1), dtype=int), np.array([[True]]))
    n = 200_000
    drawn = behaviour.decide(np.repeat(chance, n, axis=0), np.random.default_rng(2).random(n))
    share = np.bincount(drawn, minlength=6) / n
    assert np.allclose(share, chance[0], atol=4 * np.sqrt(0.25 / n))
    assert share[chance[0] == 0].sum() == 0


@pytest.mark.parametrize("no_send_probability", [0.05, 0.5])
def test_about_the_asked_share_gets_nothing(no_send_probability: float) -> None:
    settings = Settings()
    market = Market(build_chain(settings, AMOUNTS))
    market.reset(4000, 3)
    behaviour = Behaviour(BehaviourSettings(no_send_probability=no_send_probability), 6)
    rng = np.random.default_rng(4)
    past = play(
        market,
        lambda h: behaviour.decide(behaviour.propensities(h.levels, h.returned), rng.random(4000)),
        30,
    )
    assert (past.levels == 0).mean() == pytest.approx(no_send_probability, abs=0.1)
