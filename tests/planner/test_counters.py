"""Every registered counter keeps the contract; sizes and scores are as they say."""

import numpy as np
import pytest

from bcrlsp.learning.planner.counters import COUNTERS


@pytest.mark.parametrize("family", COUNTERS.names())
@pytest.mark.parametrize("size", [1, 2, 5])
def test_contract(family: str, size: int) -> None:
    counter = COUNTERS.get(family)(size)
    states = len(counter)
    assert counter.after.shape == (2, states)
    assert counter.after.min() >= 0
    assert counter.after.max() < states
    assert counter.score.min() == 0
    assert counter.score.max() == 1
    # Without the event everyone comes to rest; with it the score never falls below without it.
    state = np.arange(states)
    for _ in range(states):
        state = counter.after[0][state]
    assert (state == counter.rest).all()
    assert (counter.score[counter.after[1]] >= counter.score[counter.after[0]]).all()


@pytest.mark.parametrize("family", COUNTERS.names())
def test_sizes_differ(family: str) -> None:
    make = COUNTERS.get(family)
    assert len(make(1)) < len(make(2)) < len(make(3))


def _after(family: str, size: int, events: list[int]) -> float:
    counter = COUNTERS.get(family)(size)
    state = counter.rest
    for event in events:
        state = counter.after[event][state]
    return float(counter.score[state])


def test_scores_by_hand() -> None:
    assert _after("walk", 4, [1, 1, 0, 1]) == 2 / 4
    assert _after("walk", 2, [1, 1, 1, 1, 0]) == 1 / 2
    assert _after("recency", 4, [1, 0, 0]) == 1 - 2 / 4
    assert _after("recency", 2, [1, 0, 0, 0, 0]) == 0
    assert _after("window", 3, [1, 1, 0, 1]) == 2 / 3
