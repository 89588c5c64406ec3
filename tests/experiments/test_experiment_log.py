"""The log in memory is the log of the event tables."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
from small_scenario import AMOUNTS, CALENDAR

from bcrlsp.experiments.log import last_periods, log_transitions
from bcrlsp.features import default_feature_set, record_of
from bcrlsp.market.settings import Settings as MarketSettings
from bcrlsp.market.simulation import BLOCK, Simulation

FEATURES = default_feature_set(AMOUNTS, CALENDAR)


def simulation(users: int) -> Simulation:
    return Simulation(users, 6, 11, AMOUNTS, CALENDAR, MarketSettings(newcomers=0.4))


def test_rows_follow_each_user_from_sign_up_by_the_feature_fold() -> None:
    made = log_transitions(simulation(300), FEATURES, most=10_000)
    block = simulation(300).block(0)
    assert len(made.users) == 301
    assert (np.diff(made.users) == 6 - block.entry).all()
    assert len(set(np.diff(made.users))) > 1
    for user in (0, 7, *np.flatnonzero(block.entry)[:3]):
        rows = slice(made.users[user], made.users[user + 1])
        entry = block.entry[user]
        np.testing.assert_array_equal(made.levels[rows], block.history.levels[entry:, user])
        np.testing.assert_array_equal(made.rewards[rows], block.history.returned[entry:, user])
        np.testing.assert_allclose(made.costs[rows], block.history.cost[entry:, user])
        np.testing.assert_allclose(made.propensities[rows], block.propensity[entry:, user])
        assert made.has_next[rows][:-1].all()
        assert not made.has_next[rows][-1]
        carry = FEATURES.init(1)
        for step, state in enumerate(made.states[rows]):
            np.testing.assert_array_equal(FEATURES.features(carry, entry + step)[0], state)
            level, back = made.levels[rows][step], made.rewards[rows][step] > 0
            carry = FEATURES.update(carry, record_of([level], [back]))


def test_a_smaller_log_and_fewer_rows_are_the_first_users_of_a_larger() -> None:
    large = log_transitions(simulation(BLOCK + 200), FEATURES, most=BLOCK + 100)
    small = log_transitions(simulation(BLOCK + 100), FEATURES, most=10**9)
    np.testing.assert_array_equal(large.users, small.users)
    np.testing.assert_array_equal(large.states, small.states)
    np.testing.assert_array_equal(large.levels, small.levels)


def test_the_last_periods_are_summed_by_period() -> None:
    made = log_transitions(simulation(300), FEATURES, most=10_000)
    block = simulation(300).block(0)
    # A policy that expects half of each face value, whatever the state.
    policy = SimpleNamespace(costs=lambda states: np.tile(np.array(AMOUNTS) / 2, (len(states), 1)))
    found = last_periods(made, cast(Any, policy), 3)
    expected = np.array(AMOUNTS)[block.history.levels] / 2
    spent = block.history.cost
    there = block.present
    for back in range(3):
        now = there[5 - back]
        want, paid = expected[5 - back][now], spent[5 - back][now]
        assert found.expected[back] == want.sum()
        assert found.spent[back] == paid.sum()
        np.testing.assert_allclose(found.squared[back], ((paid - want) ** 2).sum())
