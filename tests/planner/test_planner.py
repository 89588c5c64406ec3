"""From a log to a policy, on a small market whose true values are known.

What holds of every algorithm is in tests/learning/test_algorithms.py.
"""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from bcrlsp.errors import DataError
from bcrlsp.experiments.log import log_transitions
from bcrlsp.features import default_feature_set, record_of
from bcrlsp.learning import Settings
from bcrlsp.learning.planner.feature_sets import feature_set_of, told
from bcrlsp.learning.planner.histories import histories_of, panel
from bcrlsp.learning.task import TrainedPolicy
from bcrlsp.learning.training import train
from bcrlsp.learning.transitions import Transitions
from bcrlsp.market.belief import Belief
from bcrlsp.market.chain import build_chain
from bcrlsp.market.oracle import q_values
from bcrlsp.periods import Calendar
from tests.small_market import AMOUNTS, CALENDAR, FEATURES, MARKET, simulation

SIMULATION = simulation(8_000)
OPTIONS = {"select_users": 2_000, "fit_users": 6_000, "teach_users": 600, "epochs": 6}


@pytest.fixture(scope="module")
def log() -> Transitions:
    return log_transitions(SIMULATION, FEATURES, SIMULATION.users)


def _train(log: Transitions, seed: int = 0, **options: float) -> TrainedPolicy:
    return train(
        log,
        Settings(algorithm="planner", options={**OPTIONS, **options}, hidden=(64, 64), threads=1),
        feature_names=FEATURES.names,
        feature_set=FEATURES.hash,
        amounts=AMOUNTS,
        seed=seed,
    )


@pytest.fixture(scope="module")
def trained(log: Transitions) -> TrainedPolicy:
    return _train(log)


def test_values_differ_between_levels_as_perfect_learning_would_have_it(
    log: Transitions, trained: TrainedPolicy
) -> None:
    """Advantages from events alone against exact values behind a Bayes filter of the true law."""
    chain = build_chain(MARKET, AMOUNTS)
    policy = trained.policy
    exact = q_values(chain, policy.gamma, policy.manifest.price)
    exact += policy.manifest.price * chain.expected_cost.reshape(exact.shape)
    block = SIMULATION.block(0)
    users = np.flatnonzero(block.present.all(axis=0))
    belief = Belief(chain, len(users))
    carries = FEATURES.init(len(users))
    for levels, returned in zip(block.history.levels, block.history.returned, strict=True):
        ideal, ideal_cost = belief.expect(exact), belief.expect(chain.expected_cost)
        states = FEATURES.features(carries, 0)
        belief.update(levels[users], returned[users])
        carries = FEATURES.update(carries, record_of(levels[users], returned[users]))
    learned, cost = policy.evaluate(states)
    for level in (1, 2):
        truth = ideal[:, level] - ideal[:, 0]
        said = learned[:, level] - learned[:, 0]
        assert np.corrcoef(truth, said)[0, 1] > 0.85
        assert abs(said.mean() - truth.mean()) < 0.3 * abs(truth.mean()) + 0.02
    assert np.corrcoef(ideal.mean(axis=1), learned.mean(axis=1))[0, 1] > 0.85
    assert np.allclose(cost.mean(axis=0), ideal_cost.mean(axis=0), rtol=0.1, atol=0.01)


def test_metrics_tell_the_structure(trained: TrainedPolicy) -> None:
    metrics = trained.metrics
    assert metrics["habit_states"] == 4
    assert metrics["wear_states"] == 3
    assert metrics["structure_gain"] > 0
    assert metrics["price"] > 0
    assert metrics["fit_differences"] > 0.8
    assert metrics["fit_costs"] > 0.9
    assert all(np.isfinite(value) for value in metrics.values())
    assert all("update" in point for point in trained.curve)


def test_what_the_model_does_not_tell_moves_no_value(
    trained: TrainedPolicy, log: Transitions
) -> None:
    """Numbers of events, the calendar."""
    states = log.states[:200]
    other = states.copy()
    other[:, ~told(FEATURES)] += 1.0
    policy = trained.policy
    assert np.allclose(policy.q_values(other), policy.q_values(states), atol=1e-5)


def test_log_of_another_kind_is_refused(log: Transitions) -> None:
    with pytest.raises(DataError, match="rewards of 0 or 1"):
        histories_of(replace(log, rewards=log.rewards * 3), FEATURES.names)
    shifted = np.roll(log.rewards, -1)
    with pytest.raises(DataError, match=r"trajectories\.reward\.after"):
        histories_of(replace(log, rewards=shifted), FEATURES.names)
    with pytest.raises(DataError, match="at least 40"):
        _train(log.of_users(np.arange(len(log.users) - 1) < 20))
    with pytest.raises(DataError, match="default one"):
        feature_set_of("0123456789abcdef", AMOUNTS)


def test_feature_set_is_found_by_its_hash() -> None:
    for length in (timedelta(hours=6), timedelta(days=1), timedelta(weeks=1)):
        declared = default_feature_set(AMOUNTS, Calendar(CALENDAR.origin, length))
        assert feature_set_of(declared.hash, AMOUNTS).hash == declared.hash


def test_histories_are_the_usable_rows(log: Transitions) -> None:
    histories = histories_of(log, FEATURES.names)
    assert len(histories.rows) == log.usable.sum()
    assert (log.levels[histories.rows] == histories.levels).all()
    shown = panel(histories, 5)
    assert (shown.present.sum(axis=0) == np.minimum(np.diff(histories.offsets), 5)).all()
    assert shown.present[-1].all()
    last = histories.offsets[1:] - 1
    assert (shown.rows[-1] == histories.rows[last]).all()
    assert (shown.levels[-1] == histories.levels[last]).all()
