"""Fitted Q against backward recursion, where the market changes, and with smooth features."""

import datetime

import numpy as np
import pyarrow as pa
import pytest
from ope_chains import Chain, permuted

from bcrlsp.errors import ConfigError
from bcrlsp.evaluation import Settings, estimate
from bcrlsp.evaluation.features import Features
from bcrlsp.evaluation.fitted_q import FiniteHorizonFit
from bcrlsp.evaluation.log import Log
from bcrlsp.evaluation.reading import read_log

PERIODS = 4


def exact_q(chain, periods, gamma):
    """Q with k = 1 .. periods left, by backward recursion: array (periods, s, a)."""
    value, found = np.zeros(len(chain.start)), []
    for _ in range(periods):
        q = chain.reward + gamma * (1 - chain.stop) * (chain.move @ value)
        value = (chain.target * q).sum(1)
        found.append(q)
    return np.array(found)


def test_every_number_of_periods_left_agrees_with_the_recursion():
    chain = Chain.random(5, stop=0.3)
    table = chain.log(10_000, PERIODS, seed=1)
    log = read_log(table, chain.target_of(table), "retention", gamma=0.9, states=True).log
    features = Features.fit(log.features, Settings(), 0)
    model = FiniteHorizonFit(log, (features,), Settings()).model
    states = np.arange(3.0)[:, None]
    for left, exact in enumerate(exact_q(chain, PERIODS, 0.9), start=1):
        found = model.values(states, np.full(3, left))
        np.testing.assert_allclose(found, exact, atol=0.08)


def test_a_target_that_changes_with_the_calendar_needs_stationary_off():
    """Nothing is sent before the last period, then the highest level."""
    chain = Chain.random(5)
    nothing, highest = np.tile([1.0, 0, 0], (3, 1)), np.tile([0, 0, 1.0], (3, 1))
    table = chain.log(12_000, PERIODS, 2)
    late = np.array(table["step"]) >= PERIODS - 1
    target = np.where(late[:, None], highest[0], nothing[0])
    spread, truth = chain.start, 0.0
    for t in range(PERIODS):
        policy = highest if t >= PERIODS - 1 else nothing
        truth += 0.5**t * (spread[:, None] * policy * chain.cost).sum()
        spread = np.einsum("s,sa,sax->x", spread, policy, chain.move)
    asked = {"measure": "cost", "gamma": 0.5, "confidence": 0.99}
    apart = estimate(table, target, "dm", settings=Settings(stationary=False), **asked)
    pooled = estimate(table, target, "dm", settings=Settings(stationary=True), **asked)
    assert apart.low <= truth <= apart.high
    assert not pooled.low <= truth <= pooled.high
    robust = estimate(table, target, "dr", **asked)  # right in spite of its pooled values
    assert robust.low <= truth <= robust.high


def smooth_market(users, periods, seed, effect):
    """A state of two numbers, one of which a bonus moves; rewards bend with it."""
    rng = np.random.default_rng(seed)
    state = rng.normal(size=(users, 2))
    parts = []
    for t in range(periods):
        level = (rng.random(users) < effect(state)).astype(int)
        chance = 1 / (1 + np.exp(-(state[:, 0] + level - 0.5 * np.sin(2 * state[:, 1]))))
        reward = (rng.random(users) < chance).astype(float)
        parts.append((t, state.copy(), level, reward, effect(state)))
        pull = np.stack([reward - 0.5, level - 0.5], 1)
        state = 0.6 * state + pull + 0.3 * rng.normal(size=(users, 2))
    return parts


def test_smooth_features_on_a_market_of_real_states():
    def logged(x):
        return np.full(len(x), 0.5)

    def wanted(x):
        return np.where(x[:, 1] < 0, 0.9, 0.6)

    periods, gamma = 5, 0.8
    played = smooth_market(100_000, periods, 9, wanted)
    truth = sum(gamma**t * reward.mean() for t, _, _, reward, _ in played)
    parts = smooth_market(4000, periods, 1, logged)
    naive = sum(gamma**t * reward.mean() for t, _, _, reward, _ in parts)
    users = len(parts[0][1])
    states = np.concatenate([state for _, state, *_ in parts])
    levels = np.concatenate([level for _, _, level, *_ in parts])
    up = wanted(states)
    day = datetime.date(2026, 1, 1)
    table = pa.table(
        {
            "user_id": [f"u{i}" for _ in parts for i in range(users)],
            "period": [day + datetime.timedelta(days=t) for t, *_ in parts for _ in range(users)],
            "step": np.repeat(np.arange(periods), users),
            "state": pa.array(states.tolist()),
            "level": levels,
            "reward": np.concatenate([reward for *_, reward, _ in parts]),
            "propensity": np.full(len(levels), 0.5),
            "terminal": np.zeros(len(levels), dtype=bool),
        }
    )
    for name in ("dm", "rem", "dr", "mis", "drl"):
        found = estimate(table, np.stack([1 - up, up], 1), name, gamma=gamma)
        assert found.low - 0.01 <= truth <= found.high + 0.01, name
        assert abs(found.value - truth) < 0.5 * abs(naive - truth), name


def test_influence_sums_to_nothing_and_predicts_a_deleted_user():
    """The first-order effect of leaving a user out, against leaving the user out."""
    chain = Chain.random(5, stop=0.3)
    table = chain.log(400, 3, seed=3)
    read = read_log(table, chain.target_of(table), "cost", gamma=0.9, states=True)
    settings = Settings()

    def value(log: Log) -> float:
        model = FiniteHorizonFit(log, (features,), settings).model
        first = log.offsets[:-1]
        q = model.values(log.features[first], log.horizon)
        return float((log.target[first] * q).sum(1).mean())

    log = read.log
    features = Features.fit(log.features, settings, 0)
    fit = FiniteHorizonFit(log, (features,), settings)
    first = log.offsets[:-1]
    starts = (log.target[first] * fit.model.values(log.features[first], log.horizon)).sum(1)
    influence = fit.influence()
    assert abs(influence.mean()) < 1e-4
    whole, users = value(log), len(log.users)
    predicted, observed = [], []
    for user in range(25):
        kept = np.arange(users) != user
        observed.append(whole - value(log.select(kept)))
        predicted.append((starts[user] - starts.mean() + influence[user]) / (users - 1))
    assert np.corrcoef(predicted, observed)[0, 1] > 0.98
    assert np.polyfit(predicted, observed, 1)[0] == pytest.approx(1.0, abs=0.1)


def test_folds_on_ray_give_the_same(ray_instance):
    chain = Chain.random(5)
    table, _ = permuted(chain.log(300, 2, seed=1), 0)
    target = chain.target_of(table)
    here = estimate(table, target, "dr", "cost")
    there = estimate(table, target, "dr", "cost", settings=Settings(folds_on_ray=True))
    assert there.value == pytest.approx(here.value, rel=1e-12)


def test_ray_that_is_not_there_is_a_mistake(monkeypatch):
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    table = Chain.random(5).log(100, 2, seed=1)
    with pytest.raises(ConfigError, match="call ray"):
        estimate(table, Chain.random(5).target_of(table), settings=Settings(folds_on_ray=True))
