"""Scores at equal spend: closed forms, rng-free means, and the order of contenders."""

import numpy as np
import pytest
from small_scenario import AMOUNTS, config

from bcrlsp.errors import ConfigError
from bcrlsp.experiments.contender import CONTENDERS
from bcrlsp.experiments.rollout import Decision, View, play_scenario
from bcrlsp.experiments.scenario import Scenario
from bcrlsp.experiments.scoring import Scorer, level_policy, reference_values
from bcrlsp.market.fluid import flat, flow
from bcrlsp.market.oracle import solve_oracle
from bcrlsp.market.settings import BehaviourSettings, UserType
from bcrlsp.market.settings import Settings as MarketSettings


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return Scenario(config())


@pytest.fixture(scope="module")
def scorer(scenario: Scenario) -> Scorer:
    return Scorer(scenario)


def everyone(level: int):
    def decide(view: View) -> Decision:
        return Decision(np.full(view.users, level), 1.0)

    return decide


def test_share_against_a_closed_form() -> None:
    """One type without habit or fatigue: two levels whose worth can be written down.

    P(return) is p without and q with a bonus, whoever the user is, so that no policy is better than
    a constant mix: retention at spend s is p + (q - p) s / (q r amount), for oracle and mix alike.
    """
    kind = UserType(share=1, base=-1, slope=0, lift=0.5, scale=1, wear=1, redeem=0.8)
    market = MarketSettings(types=(kind,), habits=2, fatigues=1)
    scenario = Scenario(config(market=market, amounts=(0.0, 2.0), users=20_000, periods=3))
    scorer = Scorer(scenario)
    p = 1 / (1 + np.exp(1.0))
    q = p + (1 - p) * 0.5 * (1 - np.exp(-2.0))
    spend = np.array([0.1, 0.2, 0.3])
    expected = p + (q - p) * spend.mean() / (q * 0.8 * 2.0)
    assert scorer.bound(spend) == pytest.approx(expected, abs=1e-9)
    score = scorer.score(play_scenario(scenario, everyone(1)))
    assert score.retention == pytest.approx(q, abs=5e-3)
    assert score.spend == pytest.approx(q * 0.8 * 2.0, rel=1e-2)
    assert score.nothing == pytest.approx(p, abs=1e-12)
    assert score.price == pytest.approx(q * 0.8 * 2.0 / (q - p), rel=5e-2)
    assert np.isnan(score.share)


def test_reference_values_are_those_of_the_flow(scenario: Scenario) -> None:
    chain = scenario.chain
    always = np.zeros((6, 140, 3))
    always[:, :, 2] = 1
    played = flow(chain, level_policy(chain, 2), 6, scenario.initial)
    for reward, total in (
        (chain.return_probability, played.retention.sum()),
        (chain.expected_cost, played.spend.sum()),
    ):
        values, qs = reference_values(chain, always, flat(reward))
        assert scenario.initial @ values[0] == pytest.approx(total, abs=1e-12)
        np.testing.assert_allclose(qs[:, :, 2], values, atol=1e-12)


def test_luck_free_mean_is_the_exact_one_of_a_known_policy() -> None:
    """The rng-free score of a fixed level deviates far less from the truth than the draws do."""
    off, drawn = [], []
    for seed in range(5):
        scenario = Scenario(config(users=1_000, seed=seed))
        score = Scorer(scenario).score(play_scenario(scenario, everyone(1)))
        exact = flow(scenario.chain, level_policy(scenario.chain, 1), 6, scenario.initial)
        off.append(score.retention - exact.retention.mean())
        drawn.append(score.returned - exact.retention.mean())
    assert np.abs(off).max() < 1.5e-3
    assert np.std(off) < 0.5 * np.std(drawn)


def test_bound_is_above_the_programs_optimum_and_near_it(
    scenario: Scenario, scorer: Scorer
) -> None:
    rng = np.random.default_rng(0)
    for scale in (1.0, 0.98, 0.3):
        spend = scenario.budgets * scale * rng.uniform(0.95, 1.05, 6)
        exact = solve_oracle(scenario.chain, spend, scenario.initial).value
        assert exact - 1e-9 <= scorer.bound(spend) <= exact + 2e-4


def test_oracle_is_reached_but_not_beaten(scenario: Scenario, scorer: Scorer) -> None:
    shares = {}
    for name in ("oracle", "exact_filter", "constant", "random"):
        contender = CONTENDERS.get(name)
        score = scorer.score(play_scenario(scenario, contender.prepare(scenario, scorer, None)))
        assert score.spend == pytest.approx(score.budget, rel=0.08), name
        shares[name] = score.share
    assert 0.95 < shares["oracle"] < 1.03
    assert 0.5 < shares["exact_filter"] < 1.01
    assert abs(shares["constant"]) < 0.05
    assert shares["random"] < 0.2


def test_spend_follows_a_budget_that_changes_daily() -> None:
    scenario = Scenario(config(budget_variation=0.8, users=6_000, periods=10))
    scorer = Scorer(scenario)
    assert np.std(scenario.budgets) > 0.2 * scenario.budgets.mean()
    assert scenario.budgets.mean() == pytest.approx(scenario.logged_spend)
    rollout = play_scenario(
        scenario, CONTENDERS.get("exact_filter").prepare(scenario, scorer, None)
    )
    np.testing.assert_allclose(rollout.history.spend, scenario.budgets, rtol=0.2)


def test_wrong_cost_expectations_are_steered_to_the_budget(
    scenario: Scenario, scorer: Scorer
) -> None:
    """A player that expects each bonus to be redeemed in full ends at the same spend."""
    amounts = np.asarray(AMOUNTS)

    def dear(view: View) -> Decision:
        levels = np.zeros(view.users, dtype=np.int64)
        levels[: int(view.limit / amounts[2])] = 2
        return Decision(levels, float(amounts[levels].sum()))

    spend = play_scenario(scenario, dear).history.spend
    assert spend[0] < 0.7 * scenario.budgets[0]
    np.testing.assert_allclose(spend[2:], scenario.budgets[2:], rtol=0.15)


def test_same_seed_same_scenario_another_seed_another() -> None:
    first, again, other = Scenario(config()), Scenario(config()), Scenario(config(seed=4))
    np.testing.assert_array_equal(first.past.returned, again.past.returned)
    np.testing.assert_array_equal(first.carry, again.carry)
    assert (first.past.returned != other.past.returned).any()
    one = first.market().step(np.ones(3_000, dtype=np.int64))
    two = first.market().step(np.ones(3_000, dtype=np.int64))
    np.testing.assert_array_equal(one.returned, two.returned)


def test_a_log_that_never_spends_gives_no_budget() -> None:
    market = MarketSettings(
        behaviour=BehaviourSettings(no_send_probability=0.99, no_send_variation=0.0)
    )
    with pytest.raises(ConfigError, match="spends nothing"):
        Scenario(config(market=market, users=2, warmup=1))
