"""What `auto` chooses, and what of it is saved."""

from dataclasses import replace

import numpy as np
import pytest

from bcrlsp.allocation import Budget, solve
from bcrlsp.experiments.log import log_transitions
from bcrlsp.learning import Settings, Transitions, train
from bcrlsp.learning.auto.candidates import CANDIDATES, Bench, Offer
from bcrlsp.learning.auto.constants import (
    constant_policy,
    mean_costs,
    mix_values,
    nothing_values,
    pairs,
)
from bcrlsp.learning.auto.judge import DEPTHS, Logged, decide, surprises
from bcrlsp.learning.task import Task, TrainedPolicy, no_progress
from bcrlsp.policies import Policy, load_policy, save_policy
from tests.small_market import AMOUNTS, FEATURES, simulation

USERS = 300
RECURRENT = {
    "members": 2,
    "updates": 60,
    "plan_users": 40,
    "groups": 40,
    "rounds": 2,
    "sweeps": 2,
    "plan_horizon": 5,
    "teach_users": 80,
    "horizon": 6,
    "student_epochs": 2,
}


@pytest.fixture(scope="module")
def log() -> Transitions:
    return log_transitions(simulation(USERS), FEATURES, USERS)


def chosen(log: Transitions, *candidates: str, seed: int = 0, errors: float = 1.0) -> TrainedPolicy:
    options = {
        "candidates": candidates,
        "options": {"recurrent": RECURRENT},
        "users": 100,
        "periods": 6,
        "errors": errors,
    }
    return train(
        log,
        Settings(algorithm="auto", options=options, hidden=(16, 16), threads=1),
        feature_names=FEATURES.names,
        feature_set=FEATURES.hash,
        amounts=AMOUNTS,
        seed=seed,
    )


def task_of(log: Transitions) -> Task:
    settings = Settings(algorithm="auto")
    return Task(
        transitions=log,
        settings=settings,
        options=settings,
        feature_names=tuple(FEATURES.names),
        feature_set=FEATURES.hash,
        amounts=AMOUNTS,
        seed=0,
        progress=no_progress,
    )


class SendsTheTopToNobodyWhoComes:
    """Wrong by construction: worth is the opposite of what a bonus does, and the top level best."""

    def make(self, bench: Bench) -> Offer:
        costs = np.array([0.0, 1e-3, 2e-3])  # and it takes bonuses for almost free
        policy = constant_policy(bench.task, "stub", np.array([0.0, -1.0, 5.0]), costs)
        return Offer(TrainedPolicy(policy, [], {}))


@pytest.fixture
def stub():
    CANDIDATES.names()
    CANDIDATES._entries["stub"] = SendsTheTopToNobodyWhoComes()
    yield
    del CANDIDATES._entries["stub"]


def test_a_candidate_that_is_wrong_by_construction_is_not_chosen(
    log: Transitions, stub: None, tmp_path
) -> None:
    """A log in which bonuses keep users away: the stub sends as many as it can."""
    harmed = np.where(
        (log.levels > 0) & (np.random.default_rng(0).random(len(log)) < 0.7), 0, log.rewards
    ).astype("f4")
    states = log.states.copy()
    ahead = np.flatnonzero(log.has_next)
    states[ahead + 1, FEATURES.names.index("active_1")] = harmed[ahead]
    broken = replace(log, states=states, rewards=harmed, costs=log.costs * (harmed > 0))
    result = chosen(broken, "stub")
    assert result.metrics["stub_chosen"] == 0
    assert result.metrics["stub_gain"] < 0
    assert result.metrics["stub_bound"] <= result.metrics["stub_gain"]
    assert result.metrics["nothing_chosen"] == 1
    policy = load_policy(save_policy(result.policy, str(tmp_path / "policy")))
    assert policy.policy_id.startswith("auto-nothing-")
    value, cost = policy.evaluate(log.states[:50])
    assert not solve(value, cost, [Budget("period", 100.0)]).levels.any()


def test_one_seed_one_policy_and_the_table_names_every_candidate(log: Transitions) -> None:
    one, same = (chosen(log, "recurrent") for _ in range(2))
    assert one.policy.policy_id == same.policy.policy_id
    assert one.metrics == same.metrics
    for what in ("gain", "error", "surprise", "surprise_error", "spend", "bound", "chosen"):
        assert np.isfinite(one.metrics[f"recurrent_{what}"])
    assert sum(v for k, v in one.metrics.items() if k.endswith("_chosen")) == 1
    assert one.policy.algorithm == "auto"


def test_a_learner_that_the_log_is_not_fit_for_is_left_out() -> None:
    """The planner takes rewards of 0 and 1 alone."""
    few = log_transitions(simulation(60), FEATURES, 60)
    money = replace(few, rewards=few.rewards * 7)
    result = chosen(money, "planner")
    assert result.metrics["planner_absent"] == 1
    assert "planner_bound" not in result.metrics


def test_a_constant_mix_spends_the_budget_on_its_two_levels(log: Transitions) -> None:
    costs = np.array([0.0, 0.4, 1.5])
    policy = constant_policy(task_of(log), "mix", mix_values(costs, 1, 2, 0.1), costs)
    value, cost = policy.evaluate(log.states[:1000])
    found = solve(value, cost, [Budget("period", 700.0)])
    shares = np.bincount(found.levels, minlength=3) / 1000
    # 0.4 x + 1.5 (1 - x) = 0.7 at x = 8 / 11.
    np.testing.assert_allclose(shares, [0, 8 / 11, 3 / 11], atol=2e-3)
    # With less than level 1 for everybody, some get nothing.
    short = np.bincount(solve(value, cost, [Budget("period", 300.0)]).levels, minlength=3)
    np.testing.assert_allclose(short / 1000, [0.25, 0.75, 0], atol=2e-3)
    assert pairs(costs, 0.7) == [(0, 2), (1, 2)]
    assert pairs(costs, 2.0) == [(0, 1), (0, 2)]


def test_nothing_is_sent_whatever_there_is_to_spend(log: Transitions) -> None:
    costs = np.array([0.0, 0.0, 1.5])  # a level that cost nothing so far, too
    policy = constant_policy(task_of(log), "nothing", nothing_values(costs), costs)
    value, cost = policy.evaluate(log.states[:100])
    assert not solve(value, cost, [Budget("period", 1e6)]).levels.any()


def test_mean_costs_by_hand() -> None:
    levels, costs = np.array([0, 1, 1, 3, 3]), np.array([0.0, 1.0, 0.0, 0.2, 0.2])
    # Level 2 was never sent: (1 + 0 + 0.2 + 0.2) / (1 + 1 + 4 + 4) of its 2; level 3 not below it.
    found = mean_costs(levels, costs, (0.0, 1.0, 2.0, 4.0))
    np.testing.assert_allclose(found, [0.0, 0.5, 0.5, 0.5])


def test_surprises_by_hand(log: Transitions) -> None:
    """Two users of three rows; the rule sends nothing, the log did so with probability 1/2."""
    levels = np.array([0, 0, 1, 1, 0, 0])
    logged = Logged(
        rows=np.arange(6),
        expected=np.full(6, 0.5),
        actual=np.array([1.0, 0.0, 1.0, 1.0, 1.0, 1.0]),
        levels=levels,
        propensities=np.full(6, 0.5),
        users=np.array([0, 0, 0, 1, 1, 1]),
    )
    costs = np.array([0.0, 1.0, 3.0])
    policy = constant_policy(task_of(log), "nothing", nothing_values(costs), costs)
    found, errors = surprises(logged, policy, log.states, 1.0)
    # Depth 1: rows 0, 1, 4, 5 weigh 2 each: (0.5 - 0.5 + 0.5 + 0.5) / 4. Depth 2: rows 1 and 5
    # follow a hit: (-0.5 + 0.5) / 2. Depth 4: nobody was there so long.
    np.testing.assert_allclose(found[:3], [0.25, 0.0, 0.0])
    np.testing.assert_array_equal(np.isfinite(errors), [True, True, False, False])
    assert DEPTHS[:2] == (1, 2)


def test_policies_of_auto_are_policies(log: Transitions) -> None:
    assert isinstance(chosen(log).policy, Policy)


def test_the_judge_decides_as_the_budget_program_does(log: Transitions) -> None:
    rng = np.random.default_rng(3)
    value = np.cumsum(rng.random((400, 3)), axis=1)
    cost = np.cumsum(rng.random((400, 3)), axis=1) - 1e-9
    cost[:, 0] = 0.0

    class Fixed:
        def evaluate(self, states: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            return value, cost

        def supported(self, states: np.ndarray) -> np.ndarray:
            return np.ones((400, 3), bool)

    for limit in (0.0, 20.0, 150.0, 1e4):
        levels, spent = decide(Fixed(), log.states[:400], limit)
        exact = solve(value, cost, [Budget("period", limit)])
        assert spent <= limit
        mine = value[np.arange(400), levels].sum()
        assert exact.bound - 2 * value.max() <= mine <= exact.bound + 1e-6
