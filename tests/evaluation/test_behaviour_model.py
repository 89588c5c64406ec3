"""Propensities that were not logged."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from ope_chains import Chain, pick, states_of
from scipy.special import softmax

from bcrlsp.evaluation import Settings, estimate
from bcrlsp.evaluation.behaviour import calibration, fit_behaviour
from bcrlsp.evaluation.log import Log
from bcrlsp.evaluation.reading import read_log

CHAIN = Chain.random(5)


def without(table, rows):
    index = table.column_names.index("propensity")
    values = pa.array(np.array(table["propensity"]), mask=rows)
    return table.set_column(index, "propensity", values)


def smooth_log(users, seed, allowed=None):
    """One period; the behaviour is a multinomial logistic policy of two real features."""
    rng = np.random.default_rng(seed)
    states = rng.normal(size=(users, 2))
    logits = states @ np.array([[0.0, 0.8, -0.8], [0.0, 0.5, 1.0]])
    if allowed is not None:
        logits = np.where(allowed, logits, -np.inf)
    chances = softmax(logits, axis=1)
    log = Log(
        users=np.array([f"u{i:06d}" for i in range(users)]),
        offsets=np.arange(users + 1),
        levels=pick(chances, rng),
        rewards=np.zeros(users),
        target=np.full((users, 3), 1 / 3),
        propensities=np.full(users, np.nan),
        horizon=np.ones(users, dtype=np.int64),
        gamma=1.0,
        states=states,
        allowed=allowed,
    )
    return log, chances


def test_finds_a_logistic_behaviour():
    log, chances = smooth_log(8_000, 1)
    model = fit_behaviour(log, Settings(), 0)
    found = model.probabilities(log)
    np.testing.assert_allclose(found.sum(1), 1)
    assert np.abs(found - chances).mean() < 0.025
    assert 0.8 < model.scale < 1.2
    assert calibration(found, log.levels).expected_error < 0.01


def test_levels_not_allowed_have_no_chance():
    allowed = np.ones((4000, 3), dtype=bool)
    allowed[::2, 2] = False
    log, chances = smooth_log(4000, 2, allowed)
    found = fit_behaviour(log, Settings(), 0).probabilities(log)
    assert (found[~allowed] == 0).all()
    assert np.abs(found - chances).mean() < 0.03


def test_no_user_is_judged_by_a_model_of_their_own():
    log, _ = smooth_log(600, 3)
    model = fit_behaviour(log, Settings(), 0)
    fold = log.folds(3, 0)
    changed = log.levels.copy()
    changed[fold == 1] = 0
    other = fit_behaviour(replace(log, levels=changed), Settings(), 0)
    same = model.raw_logits(log) == other.raw_logits(log)
    assert same[fold == 1].all()
    assert not same[fold == 0].any()


def test_calibration_by_hand():
    half = np.full((100, 2), 0.5)
    levels = np.repeat([0, 1], [80, 20])
    found = calibration(half, levels)
    assert found.by_level[0][:2] == (0.5, 0.8)
    assert found.log_loss == pytest.approx(np.log(2))
    honest = calibration(
        np.tile([0.8, 0.2], (100, 1)), levels[np.random.default_rng(0).permutation(100)]
    )
    assert honest.expected_error < found.expected_error


@pytest.mark.parametrize("name", ["pdis", "dr", "mis"])
def test_an_estimate_without_propensities(name):
    table = CHAIN.log(8000, 3, seed=4)
    target = CHAIN.target_of(table)
    bare = without(table, np.ones(table.num_rows, dtype=bool))
    found = estimate(bare, target, name, "cost", confidence=0.999)
    assert found.low <= CHAIN.value(CHAIN.target, 3, 0.8, "cost") <= found.high
    assert found.calibration.expected_error < 0.01
    shares = np.bincount(np.array(table["level"])) / table.num_rows
    np.testing.assert_allclose([sent for _, sent, _ in found.calibration.by_level], shares)
    assert "were not logged" in found.warnings[0]


def test_logged_propensities_stay():
    table = CHAIN.log(2000, 2, seed=4)
    gone = np.arange(table.num_rows) % 4 == 0
    read = read_log(without(table, gone), CHAIN.target_of(table), "cost", gamma=1.0, states=False)
    assert np.isnan(read.log.propensities).sum() == gone.sum()
    assert read.log.states is not None  # read for the model, though nobody else asked
    found = estimate(without(table, gone), CHAIN.target_of(table), "pdis")
    assert found.warnings[0].startswith(f"{gone.sum()} of {table.num_rows} ")
    assert estimate(table, CHAIN.target_of(table), "pdis").calibration is None


def test_a_hidden_reason_shows_in_no_calibration_but_a_level_never_sent_does():
    table = CHAIN.log(3000, 2, seed=4)
    keep = states_of(table)  # in state 0 the log shows only level 0
    levels = np.where(keep == 0, 0, np.array(table["level"]))
    table = table.set_column(4, "level", pa.array(levels))
    bare = without(table, np.ones(table.num_rows, dtype=bool))
    found = estimate(bare, CHAIN.target_of(table), "dr")
    assert np.isnan(found.value)
    assert "does not cover" in found.warnings[-1]
