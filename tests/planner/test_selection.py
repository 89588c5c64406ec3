"""The likelihood of held-out users finds the structure that a log was made with."""

import numpy as np
import pytest
from planning_logs import AMOUNTS, response_of, simulate

from bcrlsp.learning.planner.response import Structure
from bcrlsp.learning.planner.selection import search

STRONG = {"base": -2.5, "slope": 4.0, "lift": 1.5, "reach": -1.0, "wear": 1.2}


@pytest.mark.parametrize(
    ("habit", "wear"), [(("walk", 5), ("recency", 2)), (("recency", 3), ("walk", 3))]
)
def test_true_structure_is_found(habit: tuple[str, int], wear: tuple[str, int]) -> None:
    structure = Structure(habit, wear, "conversion", 1, AMOUNTS)
    log, _ = simulate(response_of(structure, STRONG), 4_000, 25, seed=3)
    train, holdout = log.of_users(np.arange(2_000)), log.of_users(np.arange(2_000, 4_000))
    found = search(AMOUNTS, train, holdout, seed=0, most=25)
    assert found.best.structure.habit == habit
    assert found.best.structure.wear == wear
    assert found.best.scores.mean() >= max(each.scores.mean() for each in found.tried) - 0.02
