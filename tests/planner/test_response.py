"""The shape of the response, whatever its parameters, and its derivatives."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planning_logs import AMOUNTS, response_of

from bcrlsp.learning.planner.fit import chance_slopes
from bcrlsp.learning.planner.links import LINKS
from bcrlsp.learning.planner.response import PARAMETERS, Structure


def _structure(link: str, classes: int = 2) -> Structure:
    return Structure(("walk", 3), ("walk", 2), link, classes, AMOUNTS)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(sorted(LINKS)),
    st.lists(st.floats(-3, 3), min_size=len(PARAMETERS), max_size=len(PARAMETERS)),
)
def test_rises_with_the_amount_and_wears_out(link: str, parameters: list[float]) -> None:
    structure = _structure(link, 1)
    chance = response_of(structure, dict(zip(PARAMETERS, parameters, strict=True))).returns
    assert ((chance > 0) & (chance < 1)).all()
    assert (np.diff(chance, axis=1) >= -1e-12).all()
    by_wear = chance.reshape(4, 3, len(AMOUNTS), 1)
    assert (np.diff(by_wear, axis=1) <= 1e-12).all()
    assert np.allclose(by_wear[:, :, 0], by_wear[:, :1, 0])  # nothing sent: wear says nothing
    if link != "logit":
        slopes = np.diff(chance, axis=1) / np.diff(AMOUNTS)[:, None]
        assert (np.diff(slopes, axis=1) <= 1e-9).all()


@pytest.mark.parametrize("link", sorted(LINKS))
def test_slopes_are_those_of_finite_differences(link: str) -> None:
    structure = _structure(link)
    rng = np.random.default_rng(0)
    parameters = rng.normal(scale=0.7, size=(2, len(PARAMETERS)))
    slopes = chance_slopes(structure, parameters)
    for k in range(2):
        for p in range(len(PARAMETERS)):
            up, down = parameters.copy(), parameters.copy()
            up[k, p] += 1e-5
            down[k, p] -= 1e-5
            change = (structure.probability(up) - structure.probability(down)) / 2e-5
            assert np.allclose(change[:, :, k], slopes[:, :, k, p], atol=1e-8)
            assert np.allclose(change[:, :, 1 - k], 0)


def test_states_follow_both_counters() -> None:
    structure = _structure("logit")
    # Habit 1, wear 0 -> a return under a bonus: habit 2, wear 1.
    assert structure.after[1, 1, 1 * 3 + 0] == 2 * 3 + 1
    assert structure.after[0, 0, 1 * 3 + 2] == 0 * 3 + 1
    assert structure.start.tolist() == [0, 3, 6, 9]
