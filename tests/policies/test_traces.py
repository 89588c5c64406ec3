"""Traces against their definition, written out period by period."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bcrlsp.policies import traces

SHARES = (0.0, 0.4, 1.0)
Story = list[tuple[int, bool]]


def by_hand(story: Story) -> dict[str, float]:
    """What some traces are after a story of (level, active), oldest period first."""
    half = slow = 0.0
    away, pause, walk, often = 3.2, 3.2, 0.0, 0.0
    for level, active in story:
        half = 0.5 * half + 0.5 * active
        slow = 0.98 * slow + 0.02 * SHARES[level] * active
        away = 0.0 if active else min(away + 0.1, 3.2)
        pause = 0.0 if level else min(pause + 0.1, 3.2)
        walk = min(max(walk + (1 if active else -1), 0), 4)
        often = min(max(often + (1 if level else -1), 0), 3)
    return {
        "half": half,
        "slow": slow,
        "away": away,
        "pause": pause,
        "age": min(0.1 * len(story), 3.2),
        "walk": walk / 4,
        "often": often / 3,
    }


PLACES = {"half": 0, "slow": 15, "away": 32, "pause": 33, "age": 34, "walk": 35, "often": 37}


@given(st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=1, max_size=40))
def test_every_kind_of_trace_is_what_it_says(story: Story) -> None:
    levels = np.array([[level for level, _ in story] + [0]])
    active = np.array([[float(active) for _, active in story] + [0.0]])
    states = traces.history(SHARES, levels, active)
    assert states.shape == (1, len(story) + 1, traces.WIDTH)
    last = states[0, -1]
    for name, value in by_hand(story).items():
        np.testing.assert_allclose(last[PLACES[name]], value, atol=1e-5, err_msg=name)
    # The last eight periods stand there as they were, newest first; before the first one, nothing.
    newest = story[::-1][:8]
    np.testing.assert_allclose(last[16 : 16 + len(newest)], [float(a) for _, a in newest])
    np.testing.assert_allclose(last[24 : 24 + len(newest)], [SHARES[k] for k, _ in newest])
    assert not last[16 + len(newest) : 24].any()


def test_one_step_of_many_futures_is_the_step_of_each() -> None:
    """What plans do for every level and outcome at once is what the history would have been."""
    rng = np.random.default_rng(0)
    levels, active = rng.integers(0, 3, (5, 9)), rng.integers(0, 2, (5, 9)).astype("f4")
    before = traces.history(SHARES, levels, active)[:, -1]
    every = np.indices((3, 2))
    many = traces.after(before[:, None, None], traces.Events.of(SHARES, *every))
    for level in range(3):
        for back in (0, 1):
            longer = (
                np.column_stack([levels[:, :-1], np.full(5, level), np.zeros(5, int)]),
                np.column_stack([active[:, :-1], np.full(5, back), np.zeros(5)]),
            )
            expected = traces.history(SHARES, *longer)[:, -1]
            np.testing.assert_allclose(many[:, level, back], expected, atol=1e-6)


def test_what_tells_of_activity_alone_does_not_change_with_what_was_sent() -> None:
    rng = np.random.default_rng(1)
    active = rng.integers(0, 2, (50, 12)).astype("f4")
    one, other = (
        traces.read(traces.history(SHARES, rng.integers(0, 3, (50, 12)), active))[:, -1]
        for _ in range(2)
    )
    own = list(traces.OF_ACTIVITY)
    np.testing.assert_array_equal(one[:, own], other[:, own])
    rest = [k for k in range(traces.READ) if k not in own]
    assert (one[:, rest] != other[:, rest]).any(axis=0).sum() > len(rest) - 3
