"""One contract for every registered algorithm, on a problem whose answers are known."""

import dataclasses

import numpy as np
import pytest
from known_mdp import EVERY_STATE, MDP, UNIFORM, learn
from problems import CHOOSERS, LONG, Problem, problem_of

from bcrlsp.errors import DataError
from bcrlsp.learning.algorithms import ALGORITHMS
from bcrlsp.learning.task import TrainedPolicy
from bcrlsp.policies import load_policy, save_policy

NAMES = [name for name in ALGORITHMS.names() if name not in CHOOSERS]
FULL = [name for name in NAMES if name not in LONG]
Learned = tuple[str, Problem, TrainedPolicy]


@pytest.fixture(scope="module", params=FULL)
def learned(request: pytest.FixtureRequest) -> Learned:
    problem = problem_of(request.param)
    return request.param, problem, problem.learn(problem.log, seed=3)


def test_return_is_within_5_percent_of_the_known_optimum(learned: Learned) -> None:
    _, problem, result = learned
    returns = problem.returns(result.policy)
    assert returns.random < 0.9 * returns.best  # the problem tells a good policy from a bad one
    assert returns.reached >= 0.95 * returns.best
    assert result.policy.gamma == problem.gamma


def test_expected_costs_are_learned(learned: Learned) -> None:
    _, problem, result = learned
    true, atol = problem.costs()
    said = result.policy.costs(problem.states)
    np.testing.assert_allclose(said.mean(axis=0), true.mean(axis=0), atol=atol)
    assert np.corrcoef(said.ravel(), true.ravel())[0, 1] > 0.98


def test_saved_and_loaded_gives_the_same_values(learned: Learned, tmp_path) -> None:
    _, problem, result = learned
    loaded = load_policy(save_policy(result.policy, str(tmp_path / "p")))
    for read in ("q_values", "costs"):
        np.testing.assert_array_equal(
            getattr(loaded, read)(problem.states), getattr(result.policy, read)(problem.states)
        )
    assert loaded.manifest == result.policy.manifest


def test_the_curve_tells_of_every_iteration(learned: Learned) -> None:
    _, problem, result = learned
    updates = [point["update"] for point in result.curve]
    assert len(updates) >= 3
    assert updates == sorted(updates)
    for point in result.curve:
        assert problem.metrics <= set(point)
        assert np.isfinite(list(point.values())).all()


@pytest.mark.parametrize("name", NAMES)
def test_same_seed_same_weights_and_another_seed_others(name: str) -> None:
    problem = problem_of(name)
    one, same, other = (problem.learn(problem.log, seed, brief=True) for seed in (7, 7, 8))
    assert one.policy.policy_id == same.policy.policy_id != other.policy.policy_id
    for key, array in one.policy.network.weights.items():
        np.testing.assert_array_equal(array, same.policy.network.weights[key])
    assert one.curve == same.curve


@pytest.mark.parametrize("name", FULL)
def test_masks_are_kept(name: str) -> None:
    """The best level is never allowed: no other level's value may count on it."""
    problem = problem_of(name)
    log, kept, counted, off = problem.masked()
    policy = problem.learn(log, seed=3, masked=True).policy
    if problem.gamma:
        assert (counted - kept).min() > 3 * off  # counting on it would show
    values = policy.q_values(problem.states)
    np.testing.assert_allclose(values.mean(axis=0)[:-1], kept, atol=off)
    may = np.ones(values.shape, bool)
    may[:, -1] = False
    for rule in ("greedy", "softmax"):
        chosen = policy.probabilities(problem.states, rule=rule, allowed=may)
        assert (chosen[:, -1] == 0).all()
        np.testing.assert_allclose(chosen.sum(axis=1), 1)


@pytest.mark.parametrize("name", FULL)
def test_a_state_that_is_not_a_number_is_refused_with_its_column(name: str) -> None:
    problem = problem_of(name)
    states = problem.log.states.copy()
    states[70, 3] = np.nan
    with pytest.raises(DataError, match=f"feature {problem.names[3]} is nan in a state"):
        problem.learn(dataclasses.replace(problem.log, states=states), seed=3)


def test_cloning_estimates_the_logging_policy_and_its_values() -> None:
    policy = learn("bc").policy
    cloned = policy.probabilities(EVERY_STATE, rule="behaviour")
    np.testing.assert_allclose(cloned, UNIFORM, atol=0.05)
    np.testing.assert_allclose(policy.q_values(EVERY_STATE), MDP.values_of(UNIFORM), rtol=0.05)
