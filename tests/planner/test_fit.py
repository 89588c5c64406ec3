"""The fit finds the parameters that a log was made with; its gradient and its errors are right."""

import numpy as np
import pytest
from planning_logs import AMOUNTS, response_of, simulate

from bcrlsp.learning.planner.fit import Fit, climb, fit, guess, objective
from bcrlsp.learning.planner.histories import Histories
from bcrlsp.learning.planner.response import PARAMETERS, Structure
from bcrlsp.learning.planner.uncertainty import covariance, draws

STRUCTURE = Structure(("walk", 3), ("walk", 2), "conversion", 2, AMOUNTS)
TRUTH = response_of(
    STRUCTURE,
    {"base": -2.0, "slope": 2.5, "lift": -0.5, "reach": -0.7, "wear": 0.3},
    {"base": 0.5, "slope": 0.5, "lift": -1.5, "reach": 0.0, "wear": -1.0},
)


@pytest.fixture(scope="module")
def log() -> Histories:
    return simulate(TRUTH, 6_000, 30, seed=1)[0]


@pytest.fixture(scope="module")
def fitted(log: Histories) -> Fit:
    return fit(STRUCTURE, log, seed=0, subset=1_500)


def test_gradient_is_that_of_finite_differences(log: Histories) -> None:
    few = log.of_users(np.arange(50))
    vector = guess(STRUCTURE, few, np.random.default_rng(1))
    vector += np.random.default_rng(2).normal(scale=0.2, size=len(vector))
    _, gradient = objective(STRUCTURE, vector, few)
    for i in range(len(vector)):
        up, down = vector.copy(), vector.copy()
        up[i] += 1e-5
        down[i] -= 1e-5
        change = (objective(STRUCTURE, up, few)[0] - objective(STRUCTURE, down, few)[0]) / 2e-5
        assert np.isclose(change, gradient[i], rtol=1e-4, atol=1e-4)


def test_known_response_is_recovered(fitted: Fit, log: Histories) -> None:
    found, true = fitted.response, TRUTH
    order = np.argsort([found.returns[0, 0, k] for k in range(2)])
    assert fitted.objective >= climb(STRUCTURE, TRUTH.vector, log, 1).objective - 1e-9
    assert np.allclose(found.shares[order], true.shares, atol=0.02)
    # In probability, over states that the log visits: 180,000 rows give about this precision.
    error = np.abs(found.returns[:, :, order] - true.returns)
    assert error.mean() < 0.015
    effect = found.returns[:, 1:] - found.returns[:, :1]
    truth = true.returns[:, 1:] - true.returns[:, :1]
    assert np.corrcoef(effect[:, :, order].ravel(), truth.ravel())[0, 1] > 0.97


def test_same_seed_same_fit(log: Histories) -> None:
    few = log.of_users(np.arange(300))
    one, two = (fit(STRUCTURE, few, seed=3, subset=100, most=20) for _ in range(2))
    assert np.array_equal(one.response.vector, two.response.vector)


def test_errors_are_of_the_size_of_what_is_missed(fitted: Fit, log: Histories) -> None:
    spread = covariance(fitted.response, log, log.users)
    found, _ = STRUCTURE.split(fitted.response.vector)
    true, _ = STRUCTURE.split(TRUTH.vector)
    order = np.argsort(found[:, 0])
    error = np.sqrt(np.diag(spread)).reshape(2, -1)[order]
    away = (found[order] - true) / error
    sure = [PARAMETERS.index(name) for name in ("base", "slope", "lift", "wear")]
    assert np.abs(away[:, sure]).max() < 4
    assert np.sqrt((away[:, sure] ** 2).mean()) < 2
    # A tenth of the users: about three times the error where the prior says little.
    fewer = covariance(fitted.response, log, log.users // 10)
    ratio = np.sqrt(np.diag(fewer) / np.diag(spread)).reshape(2, -1)[:, 0]
    assert ((ratio > 2) & (ratio < 3.5)).all()


def test_draws_have_the_covariance(fitted: Fit, log: Histories) -> None:
    spread = covariance(fitted.response, log, log.users)
    drawn = draws(fitted.response, spread, 2_000, seed=0)
    vectors = np.stack([each.vector[: len(spread)] for each in drawn])
    scale = np.sqrt(np.diag(spread))
    correlation = np.cov(vectors.T, bias=True) / scale / scale[:, None]
    assert np.allclose(correlation, spread / scale / scale[:, None], atol=0.12)
    assert np.allclose(vectors.mean(axis=0), fitted.response.vector[: len(spread)])
