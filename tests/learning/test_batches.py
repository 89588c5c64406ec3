"""Batches: n-step sums by hand, splits by user, statistics, shares of several learners."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from known_mdp import UNIFORM, KnownMDP

from bcrlsp.learning.batches import Sampler, split
from bcrlsp.learning.transitions import Transitions

LOG = KnownMDP(1).log(UNIFORM, users=40, steps=7, seed=5, masks=True)


def sampler(held: Transitions, **changes) -> Sampler:
    chosen = {"batch_size": 12, "seed": 3, "gamma": 0.9} | changes
    return Sampler(held, np.flatnonzero(held.usable), **chosen)


def chain(terminal: int | None = None) -> Transitions:
    n = 5
    ends = np.arange(n) == (-1 if terminal is None else terminal)
    return Transitions(
        states=np.arange(n, dtype="f4")[:, None],
        levels=np.zeros(n, "i1"),
        rewards=np.array([1, 2, 4, 8, 16], "f4"),
        costs=np.array([1, 0, 1, 0, 1], "f4"),
        propensities=np.full(n, np.nan, "f4"),
        terminal=ends,
        has_next=(np.arange(n) < n - 1) & ~ends,
        users=np.array([0, n]),
    )


def test_one_step_and_several_by_hand() -> None:
    rows = np.array([0, 2, 3])
    one = sampler(chain()).at(rows)
    assert one.rewards.tolist() == [1, 4, 8]
    assert one.next_states[:, 0].tolist() == [1, 3, 4]
    assert one.discounts.tolist() == pytest.approx([0.9] * 3)
    three = sampler(chain(), n_step=3, price=0.5).at(rows)
    # Row 4 is truncated: its reward is not used, its state is where the sum stops.
    net = [0.5, 2.0, 3.5, 8.0]
    assert three.rewards.tolist() == pytest.approx(
        [net[0] + 0.9 * net[1] + 0.81 * net[2], net[2] + 0.9 * net[3], net[3]]
    )
    assert three.discounts.tolist() == pytest.approx([0.729, 0.81, 0.9])
    assert three.costs.tolist() == [1, 1, 0]
    assert three.spent.tolist() == pytest.approx([1 + 0.81, 1, 0])
    assert three.next_states[:, 0].tolist() == [3, 4, 4]


def test_nothing_follows_a_terminal_row() -> None:
    batch = sampler(chain(terminal=2), n_step=3).at(np.array([0, 1, 2]))
    assert batch.discounts.tolist() == [0, 0, 0]
    assert batch.rewards.tolist() == pytest.approx([1 + 1.8 + 3.24, 2 + 3.6, 4])


def test_a_batch_depends_on_seed_and_update_alone_and_is_shared_out() -> None:
    whole = sampler(LOG).batch(5)
    assert (sampler(LOG).batch(5).states == whole.states).all()
    assert not (sampler(LOG).batch(6).states == whole.states).all()
    parts = [sampler(LOG, part=part, parts=3).batch(5) for part in range(3)]
    for part, batch in enumerate(parts):
        assert (batch.states == whole.states[part::3]).all()
        assert (batch.next_allowed == whole.next_allowed[part::3]).all()


@settings(deadline=None)
@given(st.integers(0, 10_000))
def test_next_states_and_masks_are_the_same_users_next_step(update: int) -> None:
    numbered = dataclasses.replace(LOG, states=np.arange(len(LOG), dtype="f4")[:, None])
    batch = sampler(numbered).batch(update)
    rows, ahead = (each[:, 0].numpy().astype(int) for each in (batch.states, batch.next_states))
    assert (ahead == rows + 1).all()
    assert (rows // 7 == ahead // 7).all()
    assert LOG.allowed is not None
    assert batch.allowed is not None
    assert batch.next_allowed is not None
    np.testing.assert_array_equal(batch.allowed, LOG.allowed[rows])
    np.testing.assert_array_equal(batch.next_allowed, LOG.allowed[ahead])


@settings(deadline=None)
@given(st.floats(0, 0.99), st.integers(0, 50))
def test_users_are_kept_whole_and_apart(share: float, seed: int) -> None:
    parts = split(LOG, share, seed)
    user_of = np.repeat(np.arange(40), 7)
    assert not set(user_of[parts.train]) & set(user_of[parts.holdout])
    assert len(parts.train) + len(parts.holdout) == LOG.usable.sum()
    assert len(set(user_of[parts.holdout])) == min(round(share * 40), 39)
    training = LOG.states[~np.isin(user_of, user_of[parts.holdout])]
    np.testing.assert_allclose(parts.scaling.mean, training.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(parts.scaling.std, np.where(training.std(axis=0) == 0, 1,
                                                   training.std(axis=0)), atol=1e-6)  # fmt: skip


def test_a_constant_column_is_not_divided_by_its_rounding() -> None:
    states = np.random.default_rng(0).normal(size=(280, 2)).astype("f4")
    states[:, 1] = 123_456.789
    held = Transitions(**{**LOG.__dict__, "states": states})
    assert split(held, 0.0, 0).scaling.std[1] == 1
