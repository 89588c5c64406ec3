"""Rewards, costs and states of any size: learned in units of their own, given back in the log's."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from known_mdp import AMOUNTS, EVERY_STATE, GAMMA, LOG, MDP, NAMES, SMALL, UNIFORM, KnownMDP, learn
from problems import problem_of

from bcrlsp.errors import DataError
from bcrlsp.learning import Settings
from bcrlsp.learning.algorithms import ALGORITHMS
from bcrlsp.learning.scales import Units, units_of
from bcrlsp.learning.statistics import state_scaling
from bcrlsp.learning.task import TrainedPolicy
from bcrlsp.learning.training import train
from bcrlsp.learning.transitions import Transitions

FREE = [name for name in ALGORITHMS.names() if name not in {"planner", "recurrent", "auto"}]
BRIEF = {"updates": 30, "iteration": 15}
RNG = np.random.default_rng(0)


def times(log: Transitions, factor: float) -> Transitions:
    return replace(log, rewards=log.rewards * np.float32(factor))


@pytest.mark.parametrize("name", FREE)
def test_rewards_in_another_unit_are_the_same_policy_in_it(name: str) -> None:
    price = {"price": 0.2} if name == "dqn" else {}
    plain = learn(name, **BRIEF, **price).policy
    assert plain.manifest.reward_scale == 1.0
    for factor in (1e5, 1e-5):
        dear = {key: value * factor for key, value in price.items()}
        scaled = learn(name, times(LOG, factor), **BRIEF, **dear)
        assert scaled.policy.manifest.reward_scale == pytest.approx(factor)
        np.testing.assert_allclose(
            scaled.policy.q_values(EVERY_STATE) / factor, plain.q_values(EVERY_STATE), rtol=1e-3
        )
        np.testing.assert_allclose(
            scaled.policy.costs(EVERY_STATE), plain.costs(EVERY_STATE), rtol=1e-3
        )
        assert f"rewards are learned in units of {factor:.6g}" in scaled.notes


@pytest.mark.parametrize("factor", [1e5, -1e5, 3e-38])
def test_amounts_end_in_the_right_order_of_levels(factor: float) -> None:
    """Rewards that are money with a spread of their own; a factor below 0 turns the order round."""
    spread = RNG.lognormal(-0.125, 0.5, len(LOG)).astype("f4")
    log = replace(LOG, rewards=LOG.rewards * spread * np.float32(factor))
    policy = learn("dqn", log).policy
    sign = np.sign(factor)
    q = np.zeros(MDP.reward.shape)
    for _ in range(400):
        q = sign * MDP.reward + GAMMA * MDP.step(q.max(axis=1))
    found = policy.q_values(EVERY_STATE) / abs(factor)
    # Best but for what two levels may be apart by chance.
    assert (q.max(axis=1) - q[np.arange(len(q)), found.argmax(axis=1)] < 0.1).all()
    assert np.corrcoef(found.ravel(), q.ravel())[0, 1] > 0.95
    np.testing.assert_allclose(found, q, atol=0.3)


def regret(trained: TrainedPolicy, states: np.ndarray) -> float:
    """Share of the optimum's return that is lost."""
    best = MDP.optimum().max(axis=1).mean()
    chosen = trained.policy.probabilities(states)
    return float(1 - (chosen * MDP.values_of(chosen)).sum(axis=1).mean() / best)


def test_a_feature_with_outliers_of_1e9_is_not_drowned() -> None:
    """The states' numbers are in one column; 0.05 % of its rows are far out."""
    number = LOG.states.argmax(axis=1).astype("f4")
    outliers = RNG.permutation(len(LOG))[: len(LOG) // 2000]
    number[outliers] = 1e9
    far = np.concatenate([LOG.states[:, :1], LOG.states[:, 1:] * 7 + 3], axis=1)
    far[outliers] = 1e9
    trained = learn("dqn", replace(LOG, states=far))
    here = np.concatenate([EVERY_STATE[:, :1], EVERY_STATE[:, 1:] * 7 + 3], axis=1)
    assert regret(trained, here) < 0.05
    assert trained.metrics["features_clipped"] >= 5
    assert trained.metrics["features_clipped_share"] == pytest.approx(0.0005, rel=0.5)
    assert any(note.startswith("features clipped to what is usual: is_") for note in trained.notes)
    assert np.isfinite(trained.policy.q_values(np.full((1, 6), 3e38, "f4"))).all()


def test_outliers_among_rewards_and_costs_do_not_drown_the_rest() -> None:
    rewards, costs = LOG.rewards.copy(), LOG.costs.copy()
    rewards[RNG.permutation(len(LOG))[:7]] = 1e9
    costs[RNG.permutation(len(LOG))[:1]] = 1e9
    trained = learn("dqn", replace(LOG, rewards=rewards, costs=costs))
    assert regret(trained, EVERY_STATE) < 0.05
    assert trained.policy.manifest.reward_scale == 1.0
    assert trained.policy.manifest.cost_unit == 2.0
    np.testing.assert_allclose(trained.policy.costs(EVERY_STATE), MDP.cost, atol=0.25)
    told = " ".join(trained.notes)
    assert "rewards beyond 100 count as that: " in told
    assert "costs beyond 20 count as that: 1 of " in told


@pytest.mark.parametrize(("name", "common"), [("myopic", 0.0), ("myopic", -1e5), ("cql", 1000.0)])
def test_what_rewards_have_in_common_hides_no_difference(name: str, common: float) -> None:
    """Two kinds of users, whose best levels are 1 and 2; every row is an end of its own."""
    chances = np.array([[0.2, 0.6, 0.4], [0.2, 0.3, 0.7]])
    rng = np.random.default_rng(5)
    kinds, levels, won = rng.integers(0, 2, 3000), rng.integers(0, 3, 3000), rng.random(3000)
    log = Transitions(
        states=np.stack([kinds, rng.normal(size=3000)], 1).astype(np.float32),
        levels=levels.astype(np.int8),
        rewards=(common + (won < chances[kinds, levels])).astype(np.float32),
        costs=(levels * 0.5).astype(np.float32),
        propensities=np.full(3000, 1 / 3, np.float32),
        terminal=np.ones(3000, bool),
        has_next=np.zeros(3000, bool),
        users=np.arange(3001),
    )
    how = Settings(**{"algorithm": name, "updates": 600, "iteration": 300} | SMALL)
    trained = train(
        log, how, feature_names=["kind", "noise"], feature_set="f", amounts=(0.0, 1.0, 2.0), seed=1
    )
    values = trained.policy.q_values(np.array([[0, 0], [1, 0]], np.float32))
    means = [[log.rewards[(kinds == k) & (levels == a)].mean() for a in range(3)] for k in (0, 1)]
    np.testing.assert_allclose(values, means, atol=0.12)
    assert values.argmax(axis=1).tolist() == [1, 2]
    assert any("large part in common" in line for line in trained.notes) == (common != 0)


def test_values_less_a_common_part_are_the_same_values() -> None:
    """Rewards of 50 and something: Q is that of the rewards without, plus 50 / (1 - gamma)."""
    plain, more = (learn("dqn", replace(LOG, rewards=LOG.rewards + add)) for add in (0.0, 50.0))
    given = plain.policy.q_values(EVERY_STATE)
    raised = more.policy.q_values(EVERY_STATE)
    np.testing.assert_allclose(raised - 50.0 / (1 - GAMMA), given, atol=0.15 * np.ptp(given) + 0.1)


def test_units_by_hand() -> None:
    def units(rewards: list[float], costs: list[float]) -> Units:
        n = len(rewards)
        held = Transitions(
            states=np.zeros((n, 1), "f4"), levels=np.zeros(n, "i1"), rewards=np.array(rewards),
            costs=np.array(costs), propensities=np.ones(n), terminal=np.ones(n, bool),
            has_next=np.zeros(n, bool), users=np.arange(n + 1),
        )  # fmt: skip
        return units_of(held, np.arange(n), (0.0, 1.0, 5.0))

    inf, least = float("inf"), pytest.approx(5e-6)
    assert units([0, 1, 1, 0], [0, 0, 0, 1]) == Units(1.0, 1.0, inf, inf)
    assert units([0, 0], [0, 0]) == Units(1.0, least, inf, inf)
    assert units([0, -2, 4, 0], [5, 5, 0, 1]) == Units(3.0, 5.0, inf, inf)
    # One reward of a thousand among ones is cut; a tenth of them are what the log is like.
    assert units([1] * 999 + [1000], [0] * 1000) == Units(1.0, least, 100.0, inf)
    assert units([1] * 900 + [1000] * 100, [0] * 1000) == Units(100.9, least, inf, inf)
    # Costs in another unit than the amounts, and one that is out of all measure.
    assert units([0] * 4, [70, 70, 0, 70]) == Units(1.0, 70.0, inf, inf)
    assert units([0] * 300, [2] * 299 + [1e9]) == Units(1.0, 2.0, inf, 20.0)
    assert units([0] * 300, [0.1] * 299 + [1e9]) == Units(1.0, pytest.approx(0.1), inf, 5.0)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 1000), st.floats(1e-6, 1e6), st.floats(-1e3, 1e3))
def test_usual_columns_keep_their_plain_moments(seed: int, scale: float, shift: float) -> None:
    draw = np.random.default_rng(seed)
    columns = [
        draw.normal(size=500), draw.random(500), draw.poisson(2.0, 500), draw.random(500) < 0.02,
        draw.exponential(1.0, 500), draw.integers(0, 2, 500),
    ]  # fmt: skip
    states = (np.stack(columns, axis=1) * scale + shift * scale).astype("f4")
    found = state_scaling(states)
    exact = states.astype(float)
    spread = exact.std(axis=0)
    assert not found.clipped.any()
    np.testing.assert_allclose(found.mean, exact.mean(axis=0), rtol=1e-5, atol=1e-5 * scale)
    np.testing.assert_allclose(found.std, np.where(spread == 0, 1, spread), rtol=1e-4)
    np.testing.assert_array_equal(found.constant, spread == 0)


@pytest.mark.parametrize("share", [0.0005, 0.002, 0.01])
@pytest.mark.parametrize("size", [1e9, -1e9, 3e38])
def test_what_is_far_out_does_not_move_the_rest(share: float, size: float) -> None:
    n = 20_000
    columns = [RNG.normal(5, 2, n), RNG.random(n) < 0.3, (RNG.random(n) < 0.2) * RNG.random(n)]
    states = np.stack(columns, axis=1).astype("f4")
    plain = state_scaling(states)
    states[RNG.permutation(n)[: int(share * n)]] = size
    found = state_scaling(states)
    np.testing.assert_allclose(found.clipped, share, rtol=0.01)
    # The ordinary values stay about as wide apart as they were: never less than a sixth.
    assert (found.std < 6 * plain.std).all()
    assert np.isfinite(found.apply(states)).all()
    assert np.abs(found.apply(states)).max() < 100


def test_columns_of_any_size_and_columns_that_never_change() -> None:
    draw = RNG.normal(size=(4_000, 1))
    states = np.concatenate([draw * 1e-20, draw, draw * 1e20, np.full_like(draw, 123_456.789)], 1)
    found = state_scaling(states.astype("f4"))
    np.testing.assert_allclose(found.apply(states.astype("f4"))[:, 0], draw[:, 0], atol=0.1)
    np.testing.assert_allclose(found.apply(states.astype("f4"))[:, 2], draw[:, 0], atol=0.1)
    assert found.constant.tolist() == [False, False, False, True]
    elsewhere = states[:1].astype("f4")
    elsewhere[0, 3] = 7.0  # nothing was learned of it
    assert found.apply(elsewhere)[0, 3] == 0
    assert found.notes(list("abcd")) == ("features that never change and say nothing: d",)


@pytest.mark.parametrize(("base", "step"), [(1e6, 1.0), (1.7e9, 1000.0), (0.0, 1e-32)])
def test_a_column_that_changes_is_none_that_never_does(base: float, step: float) -> None:
    """By more than the last digit of float32, which is 1/16 at a million."""
    states = (base + step * np.tile([0.0, 1.0], 500)[:, None]).astype(np.float32)
    found = state_scaling(states)
    assert not found.constant.any()
    np.testing.assert_allclose(found.apply(states)[:, 0], np.tile([-1, 1], 500), atol=0.2)
    noise = np.float32(0.1) * np.ones((1000, 1), np.float32)
    noise[::2] = np.nextafter(noise[::2], np.float32(1))
    assert state_scaling(noise).constant.all()


def test_money_in_another_unit_is_the_same_plan() -> None:
    """The planner takes rewards of 0 and 1 alone; amounts and costs may be in any money."""
    problem = problem_of("planner")
    with pytest.raises(DataError, match=r"a reward is 100000; the planner learns from rewards of"):
        problem.learn(times(problem.log, 1e5), seed=3, brief=True)


def test_a_price_of_the_planner_is_in_the_unit_of_the_money() -> None:
    from bcrlsp.learning.planner.dynamics import price_of, stationary_spend, values
    from bcrlsp.learning.planner.response import PARAMETERS, Response, Structure

    prices = []
    for unit in (1.0, 1e5, 1e-5):
        amounts = (0.0, 1.0 * unit, 2.0 * unit)
        structure = Structure(("walk", 2), ("walk", 2), "logit", 1, amounts)
        vector = np.zeros(structure.size)
        vector[PARAMETERS.index("base")] = -1.0
        response = Response(structure, vector)
        spending = np.repeat(np.array(amounts)[None, :, None], 2, axis=0) * [[[0.1]], [[0.8]]]
        free = stationary_spend(response, values(response, spending, 0.9, 0.0))
        prices.append(price_of(response, spending, 0.9, 0.5 * free) * unit)
    assert prices[0] > 0
    assert prices == pytest.approx([prices[0]] * 3, rel=1e-6)


def test_the_same_log_with_the_price_as_an_input_is_scaled_too() -> None:
    mdp = KnownMDP(2)
    log = mdp.log(UNIFORM, users=100, steps=10, seed=1)
    given = {"feature_names": NAMES, "feature_set": "fs", "amounts": AMOUNTS, "seed": 5}
    one, other = (
        train(
            times(log, factor),
            Settings(**SMALL | BRIEF, algorithm="dqn", largest_price=0.5 * factor, n_step=2),
            **given,
        ).policy
        for factor in (1.0, 1e4)
    )
    for price in (0.0, 0.25, 0.5):
        np.testing.assert_allclose(
            other.q_values(EVERY_STATE, price * 1e4) / 1e4,
            one.q_values(EVERY_STATE, price),
            rtol=1e-3,
        )
