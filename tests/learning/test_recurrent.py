"""The recurrent response model and its plan; what holds of all algorithms: test_algorithms."""

import importlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from bcrlsp.errors import DataError
from bcrlsp.experiments.log import log_transitions
from bcrlsp.learning import Settings, Transitions, train
from bcrlsp.learning.network import TorchNetwork
from bcrlsp.learning.planner.masks import Masks
from bcrlsp.learning.recurrent import ensemble
from bcrlsp.learning.recurrent.correction import Seen, correct
from bcrlsp.learning.recurrent.member import Member
from bcrlsp.learning.recurrent.network import ResponseNetwork, Shape
from bcrlsp.learning.recurrent.plan import PlanSettings, Start, plan
from bcrlsp.learning.recurrent.sequences import LONGEST, Rules, rules_of, sequences_of
from bcrlsp.policies import traces
from bcrlsp.policies.manifest import COST, VALUE
from tests.small_market import AMOUNTS, FEATURES, simulation

SHARES = tuple(amount / AMOUNTS[-1] for amount in AMOUNTS)
RULES = Rules(True, 1.0, np.inf, 1.0, np.inf, (), np.zeros(0))
BRIEF = {
    "members": 2,
    "updates": 20,
    "plan_users": 30,
    "groups": 30,
    "rounds": 2,
    "sweeps": 2,
    "plan_horizon": 5,
    "teach_users": 60,
    "horizon": 6,
    "student_epochs": 2,
}


@pytest.fixture(scope="module")
def log() -> Transitions:
    return log_transitions(simulation(200), FEATURES, 200)


def learned(log: Transitions, **options: float):
    return train(
        log,
        Settings(algorithm="recurrent", options={**BRIEF, **options}, hidden=(16, 16), threads=1),
        feature_names=FEATURES.names,
        feature_set=FEATURES.hash,
        amounts=AMOUNTS,
        seed=4,
    )


def test_the_function_stays_there_whatever_is_imported() -> None:
    package = importlib.import_module("bcrlsp.learning")
    for name in ("training", "tuning", "transitions"):
        importlib.import_module(f"bcrlsp.learning.{name}")
        assert package.train is train
        assert package.Transitions is Transitions


def test_outcomes_of_sequences_are_those_of_the_market(log: Transitions) -> None:
    rules = rules_of(log, FEATURES.names, AMOUNTS)
    held = sequences_of(log, rules, FEATURES.names, AMOUNTS)
    assert rules.binary
    np.testing.assert_allclose(rules.turn, 2 * np.pi / 7, atol=1e-6)  # periods are days
    block = simulation(200).block(0)
    for user in (0, 17, 199):
        (piece,) = np.flatnonzero(held.user == user)
        since = block.entry[user]
        told = held.told[piece]
        assert told.sum() == 30 - since - 1  # of the last period nothing is known
        np.testing.assert_array_equal(
            held.outcome[piece][told], block.history.returned[since:-1, user]
        )
        np.testing.assert_array_equal(
            held.levels[piece][told], block.history.levels[since:-1, user]
        )


def test_a_long_history_is_cut_and_a_gap_parts_it() -> None:
    rows = 2 * LONGEST + 10
    ahead = np.ones(rows, bool)
    ahead[[4, rows - 1]] = False
    log = Transitions(
        states=np.zeros((rows, 1), "f4"),
        levels=np.zeros(rows, np.int8),
        rewards=(np.arange(rows) % 2).astype("f4"),
        costs=np.zeros(rows, "f4"),
        propensities=np.ones(rows, "f4"),
        terminal=np.zeros(rows, bool),
        has_next=ahead,
        users=np.array([0, rows]),
    )
    held = sequences_of(log, rules_of(log, ["x"], AMOUNTS), ["x"], AMOUNTS)
    seen = np.sort(held.rows[held.present])
    np.testing.assert_array_equal(seen, np.arange(rows))
    spans = {(held.rows[k][p].min(), held.rows[k][p].max()) for k, p in enumerate(held.present)}
    assert spans == {(0, 4), (5, 9), (10, 9 + LONGEST), (10 + LONGEST, rows - 1)}


def test_a_reward_that_is_not_the_activity_is_told_apart(log: Transitions) -> None:
    odd = replace(log, rewards=log.rewards * 3.0)
    rules = rules_of(odd, FEATURES.names, AMOUNTS)
    assert not rules.binary
    assert rules.reward == pytest.approx(3.0)
    held = sequences_of(odd, rules, FEATURES.names, AMOUNTS)
    np.testing.assert_allclose(held.rewards[held.told], held.outcome[held.told])


def constant_member(chances: tuple[float, ...], spent: float) -> Member:
    """Users who answer a level alike for good."""
    network = ResponseNetwork(Shape(SHARES, 0, 8, True))
    with torch.no_grad():
        odds = np.log(np.array(chances) / (1 - np.array(chances)))
        network.gate[-1].bias.fill_(40.0)  # everybody is a user
        network.base[-1].bias.fill_(odds[0])
        network.effect[-1].bias.copy_(torch.tensor(odds[1:] - odds[0]))
        network.spent_last.bias.view(-1, 2)[:, 0] = -40.0
        network.spent_last.bias.view(-1, 2)[:, 1] = float(np.log(spent / (1 - spent)))
    return Member(network, np.array(AMOUNTS))


def planned(price: float | None, budget: float = 0.1, sweeps: int = 10):
    member = constant_member((0.2, 0.4, 0.5), 0.5)
    settings = PlanSettings(0.9, 20, 3, 0.1, 1, sweeps, 8, budget, price)
    start = Start(traces.begin(20), np.zeros((20, 0)))
    return plan(member, RULES, start, Masks.none(3), settings, 0)


def test_values_where_nothing_lasts_are_those_of_the_period_and_a_constant() -> None:
    """Level 1 costs 0.4 x 0.5 x 1 = 0.2, level 2 0.5 x 0.5 x 3 = 0.75; at price 0.5 level 1 is
    best: net 0.4 - 0.1 = 0.3 a period, for good 0.3 / (1 - 0.9) = 3."""
    held = planned(0.5)
    values, costs = held.evaluate(traces.begin(4), np.zeros((4, 0)))
    np.testing.assert_allclose(costs, np.tile([0.0, 0.2, 0.75], (4, 1)), atol=1e-4)
    np.testing.assert_allclose(values, np.tile([0.2, 0.4, 0.5], (4, 1)) + 0.9 * 3.0, atol=2e-2)


def test_the_price_is_where_the_plan_spends_the_budget() -> None:
    """Users are alike: level 1 gains 0.2 for 0.2, so a budget below 0.2 has the price 1, and one
    between 0.2 and 0.75 that of the step to level 2, 0.1 / 0.55."""
    assert planned(None, 0.1, 8).price == pytest.approx(1.0, abs=0.02)
    assert planned(None, 0.5, 8).price == pytest.approx(0.1 / 0.55, abs=0.02)
    assert planned(None, 1.0, 8).price == pytest.approx(0.0, abs=1e-3)


def test_effects_are_corrected_to_what_others_did() -> None:
    """Outcomes of half the predicted effect: the correction is a penalised regression, here solved
    by a general optimiser, and near one half."""
    rng = np.random.default_rng(0)
    n = 40_000
    level = rng.integers(0, 3, n)
    base, effect = rng.normal(-1, 0.5, n), np.where(level > 0, rng.normal(1.0, 0.5, n), 0.0)
    outcome = (rng.random(n) < 1 / (1 + np.exp(-base - 0.5 * effect))).astype(float)
    weight = rng.uniform(0.5, 1.5, n)
    alpha, kappa = correct(Seen(base, effect, level, outcome, weight), 3)

    def loss(x: np.ndarray) -> float:
        own = np.array([0.0, *x[4:]])
        logits = base + x[:3][level] + (1 + x[3] + own[level]) * effect
        nats = weight * (outcome * logits - np.logaddexp(0, logits))
        spread = np.array([0.1] * 3 + [0.5] + [0.15] * 2)
        return -nats.sum() + 0.5 * ((x / spread) ** 2).sum()

    best = minimize(loss, np.zeros(6), method="BFGS").x
    np.testing.assert_allclose(alpha, best[:3], atol=1e-3)
    np.testing.assert_allclose(kappa[1:], 1 + best[3] + best[4:], atol=1e-3)
    assert kappa[0] == 1
    np.testing.assert_allclose(kappa[1:], 0.5, atol=0.1)


def test_users_are_whole_in_one_part_each() -> None:
    users = np.array([3, 3, 5, 7, 8, 8, 9, 12])
    parts = ensemble.folds(users, 3, seed=0)
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(8))
    for part in parts:
        assert not set(users[part]) & set(users[np.setdiff1d(np.arange(8), part)])


def test_scores_of_numpy_are_those_of_torch(log: Transitions) -> None:
    result = learned(log)
    network = result.policy.network
    same = TorchNetwork(network.spec, network.weights["mean"], network.weights["std"])
    same.load_state_dict({name: torch.tensor(value) for name, value in network.weights.items()})
    with torch.no_grad():
        told = same(torch.from_numpy(log.states))
    for name, values in zip((VALUE, COST), network.heads(log.states, (VALUE, COST)), strict=True):
        np.testing.assert_allclose(values, told[name][:, 0].numpy(), atol=1e-5)
    assert (result.policy.input, result.policy.algorithm) == ("features", "recurrent")


def test_a_log_of_few_users_is_refused() -> None:
    few = log_transitions(simulation(10), FEATURES, 10)
    with pytest.raises(DataError, match="the log has 10 users; a recurrent response model needs"):
        learned(few)
