"""The oracle: against closed forms, against its own policy played, and the market is worth it."""

import numpy as np
import pytest

from bcrlsp.errors import DataError
from bcrlsp.market import (
    Behaviour,
    Belief,
    Market,
    Settings,
    build_chain,
    play,
    q_values,
    solve_oracle,
)
from bcrlsp.market.fluid import best_constant_mix, flat, flow, within_budget
from bcrlsp.market.settings import UserType

AMOUNTS = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0)
CHAIN = build_chain(Settings(), AMOUNTS)
COST = flat(CHAIN.expected_cost)
PERIODS = 30
BUDGET = np.full(PERIODS, 0.3)


@pytest.fixture(scope="module")
def oracle():
    return solve_oracle(CHAIN, BUDGET)


def constant(level: int):
    policy = np.zeros_like(COST)
    policy[:, level] = 1
    return flow(CHAIN, lambda period, mass: policy, PERIODS)


def share(played, value: float) -> float:
    """Share of the oracle's gain over the best constant mix."""
    base = best_constant_mix(CHAIN, BUDGET)[1].retention.mean()
    return (played - base) / (value - base)


def test_the_bound_is_reached_by_its_own_policy(oracle) -> None:
    users = 40_000
    market = Market(CHAIN)
    market.reset(users, 7)
    rng = np.random.default_rng(8)

    def policy(history):
        edges = np.cumsum(oracle.policy[history.periods][market.states], axis=1)
        return np.minimum((rng.random(users)[:, None] >= edges).sum(axis=1), 5)

    played = play(market, policy, PERIODS)
    error = 4 * np.sqrt(0.25 / users)  # periods are dependent: as if there were one
    assert played.retention.mean() <= oracle.value + error
    assert played.retention.mean() == pytest.approx(oracle.value, rel=0.01)
    assert played.spend.mean() == pytest.approx(BUDGET.mean(), rel=0.02)
    exact = flow(CHAIN, lambda period, mass: oracle.policy[period], PERIODS)
    assert exact.retention.mean() == pytest.approx(oracle.value, abs=1e-7)
    assert (exact.spend <= BUDGET + 1e-7).all()


def test_prices_are_what_one_more_unit_of_money_brings(oracle) -> None:
    step = np.zeros(PERIODS)
    step[10] = 1e-3
    more = solve_oracle(CHAIN, BUDGET + step).value
    assert (more - oracle.value) * PERIODS / 1e-3 == pytest.approx(oracle.prices[10], rel=0.05)
    assert (oracle.prices >= -1e-9).all()


def test_without_money_the_oracle_is_the_market_alone() -> None:
    free = solve_oracle(CHAIN, np.zeros(5))
    assert free.value == pytest.approx(constant(0).retention.mean(), abs=1e-8)
    assert (free.policy[..., 1:].sum(axis=2)[:, CHAIN.initial.ravel() > 0] < 1e-7).all()


def test_one_memoryless_type_has_a_closed_form() -> None:
    kind = UserType(share=1, base=-1, slope=0, lift=0.5, scale=2, wear=1, redeem=1)
    chain = build_chain(Settings(types=(kind,)), (0.0, 2.0))
    low, high = chain.return_probability[0, 0, 0]
    part = 0.4
    budget = np.full(3, part * 2.0 * high)
    assert solve_oracle(chain, budget).value == pytest.approx(low + part * (high - low))
    # Nothing carries over, so that a value is the reward and a constant after it.
    values = q_values(chain, 0.5)
    assert np.allclose(values[:, 0], low + 0.5 * high / 0.5)
    assert np.allclose(values[:, 1], high + 0.5 * high / 0.5)


def test_values_meet_bellmans_equation_and_the_played_sum() -> None:
    gamma, price = 0.9, 0.1
    values = q_values(CHAIN, gamma, price)
    reward = flat(CHAIN.return_probability) - price * COST
    assert np.allclose(values, reward + gamma * CHAIN.transitions @ values.max(axis=1), atol=1e-8)
    best = values.argmax(axis=1)
    policy = np.eye(6)[best]
    played = flow(CHAIN, lambda period, mass: policy, 300)
    total = (gamma ** np.arange(300)) @ (played.retention - price * played.spend)
    assert total == pytest.approx(CHAIN.initial.ravel() @ values.max(axis=1), abs=1e-6)


@pytest.mark.parametrize(("gamma"), [-0.1, 1.0])
def test_gamma_has_its_range(gamma: float) -> None:
    with pytest.raises(DataError, match="allowed: 0 or more, below 1"):
        q_values(CHAIN, gamma)


@pytest.mark.parametrize("budget", [[], [-1.0], [np.nan], [[1.0]]])
def test_budgets_are_checked(budget) -> None:
    with pytest.raises(DataError, match="one finite budget"):
        solve_oracle(CHAIN, np.array(budget))


def test_effects_have_a_realistic_size() -> None:
    nothing, most = constant(0).retention.mean(), constant(5).retention.mean()
    assert 0.22 <= nothing <= 0.28
    assert 0.05 <= most - nothing <= 0.10


def test_the_market_is_worth_a_plan(oracle) -> None:
    price = float(np.median(oracle.prices))
    retained = {
        name: flow(CHAIN, within_budget(values, COST, BUDGET), PERIODS).retention.mean()
        for name, values in {
            "myopic": q_values(CHAIN, 0.0),
            "plan": q_values(CHAIN, 0.9),
            "plan with a price": q_values(CHAIN, 0.9, price) + price * COST,
        }.items()
    }
    assert share(retained["myopic"], oracle.value) <= 0.5
    assert share(retained["plan"], oracle.value) >= 0.85
    assert share(retained["plan with a price"], oracle.value) >= 0.85
    assert max(retained.values()) <= oracle.value + 1e-9


def test_a_filter_is_calibrated_and_sees_through_the_types() -> None:
    users = 20_000
    market = Market(CHAIN)
    market.reset(users, 11)
    rng = np.random.default_rng(12)
    past = play(market, lambda history: rng.integers(0, 6, users), 25)
    belief = Belief(CHAIN, users)
    belief.follow(past)
    believed = belief.expect(CHAIN.return_probability)[:, 3]
    kind, habit, fatigue = market.hidden
    true = CHAIN.return_probability[kind, habit, fatigue, 3]
    for low, high in ((0.0, 0.15), (0.15, 0.3), (0.3, 0.6), (0.6, 1.0)):
        held = (believed >= low) & (believed < high)
        assert believed[held].mean() == pytest.approx(true[held].mean(), abs=0.015)
    assert np.corrcoef(believed, true)[0, 1] > 0.9


def spend_up_to(value, cost, budget: float, rng):
    """Levels (n,) of a price at which the mean cost just keeps the budget; ties by lot."""
    rows = np.arange(len(value))
    low, high = 0.0, 100.0
    for _ in range(50):
        price = (low + high) / 2
        chosen = (value - price * cost).argmax(axis=1)
        low, high = (price, high) if cost[rows, chosen].mean() > budget else (low, price)
    cheap, dear = ((value - price * cost).argmax(axis=1) for price in (high, low))
    order = rng.permutation(rows)
    more = np.cumsum((cost[rows, dear] - cost[rows, cheap])[order])
    taken = order[more <= budget * len(rows) - cost[rows, cheap].sum()]
    cheap[taken] = dear[taken]
    return cheap


def test_types_seen_through_a_filter_cost_little() -> None:
    users, logged = 8000, 30
    settings = Settings()
    behaviour = Behaviour(settings.behaviour, len(AMOUNTS))
    rng = np.random.default_rng(21)
    market = Market(CHAIN)
    market.reset(users, 22)
    log = play(
        market,
        lambda h: behaviour.decide(behaviour.propensities(h.levels, h.returned), rng.random(users)),
        logged,
    )
    start = np.bincount(market.states, minlength=len(COST)) / users
    budget = np.full(PERIODS, log.spend.mean())
    bound = solve_oracle(CHAIN, budget, start)
    base = best_constant_mix(CHAIN, budget, start)[1].retention.mean()
    price = float(np.median(bound.prices))
    values = q_values(CHAIN, 0.95, price) + price * COST
    belief = Belief(CHAIN, users)
    belief.follow(log)

    def planned(history):
        if history.periods > logged:
            belief.update(history.levels[-1], history.returned[-1])
        return spend_up_to(belief.expect(values), belief.expect(COST), budget[0], rng)

    played = play(market, planned, PERIODS, log)
    assert played.spend[logged:].mean() <= budget[0] * 1.01
    reached = (played.retention[logged:].mean() - base) / (bound.value - base)
    assert 0.85 <= reached <= 1.02
