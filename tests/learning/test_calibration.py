"""Calibration tells a policy that knows the differences between levels from one that does not."""

import dataclasses
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from known_mdp import GAMMA, LEVELS, LOG, MDP, learn

from bcrlsp.learning.calibration import calibrate

EVERY = np.flatnonzero(LOG.usable)


def knowing(values: np.ndarray, gamma: float = GAMMA) -> Any:
    """A policy with the values (states, levels)."""
    return SimpleNamespace(
        evaluate=lambda states, price: (states @ values, np.zeros((len(states), LEVELS))),
        supported=lambda states: np.ones((len(states), LEVELS), bool),
        gamma=gamma, largest_price=0.0, manifest=SimpleNamespace(price=0.0),
    )  # fmt: skip


def test_the_true_values_are_calibrated() -> None:
    found = calibrate(knowing(MDP.optimum()), LOG, EVERY, bins=6)
    assert len(found.predicted) == 6
    assert (np.abs(found.observed - found.predicted) < 4 * found.error).all()
    assert found.slope == pytest.approx(1, abs=0.1)
    assert found.correlation > 0.95


def test_by_hand() -> None:
    """Two bins of one state each; the reward alone counts."""
    held = dataclasses.replace(
        LOG.of_users(np.arange(len(LOG.users) - 1) < 1),
        rewards=np.r_[[1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 0.0], np.zeros(17)].astype("f4"),
        levels=np.r_[[1, 1, 1, 0, 0, 1, 0, 0], np.zeros(17)].astype("i1"),
        propensities=np.r_[[0.5, 0.25, 0.5, 0.5, 0.25, 0.5, 0.5, 0.5], np.ones(17)].astype("f4"),
        states=np.eye(6, dtype="f4")[[0] * 25],
    )
    policy = knowing(np.array([[0.0, 0.3, 0.1]] * 6), gamma=0.0)
    found = calibrate(policy, held, np.arange(8), bins=1)
    sent, none = (2 + 2 + 2) / (2 + 4 + 2 + 2), 2 / (2 + 4 + 2 + 2)
    assert found.predicted == pytest.approx([0.3])
    assert found.observed == pytest.approx([sent - none])
    assert np.isnan(found.slope)


def test_values_that_are_wrong_or_too_large_are_told() -> None:
    truth = MDP.optimum()
    mean = truth.mean(axis=1, keepdims=True)
    doubled = calibrate(knowing(mean + 2 * (truth - mean)), LOG, EVERY)
    assert 0.3 < doubled.slope < 0.75
    elsewhere = calibrate(knowing(mean + np.roll(truth - mean, 1, axis=0)), LOG, EVERY)
    assert elsewhere.slope < 0.5


def test_training_tells_of_it_where_propensities_are_known() -> None:
    known = learn("dqn").metrics
    assert known["calibration_slope"] == pytest.approx(1, abs=0.5)
    unknown = dataclasses.replace(LOG, propensities=np.full(len(LOG), np.nan, "f4"))
    assert "calibration_slope" not in learn("dqn", unknown, updates=20, iteration=20).metrics
