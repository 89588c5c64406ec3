"""Allocations by seed that a change of the code's form must not change.

This code made the record: `python tests/allocation/test_recorded_allocations.py`.
It is no proof that the numbers are right; the other tests here are. Explain a number that changes.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bcrlsp.allocation import Budget, solve

RECORD = Path(__file__).with_name("recorded.json")
GROUPS = ("north", "south", "east")
CASES = {
    "one budget, 9 users": (9, 3, [Budget("b", 7.25)]),
    "one budget, 5,000 users": (5000, 4, [Budget("b", 2345.67)]),
    "budgets by group, 5,000 users": (
        5000,
        4,
        [Budget("all", 3000), *(Budget(name, 900, groups=[name]) for name in GROUPS)],
    ),
    "a count and a floor, 3,000 users": (
        3000,
        3,
        [
            Budget("money", 2000),
            Budget("sends", 700, measure="count", levels=[1, 2]),
            Budget("north", float("inf"), groups=["north"], minimum=800),
        ],
    ),
}


def allocation_of(users: int, levels: int, budgets: list[Budget]) -> dict[str, Any]:
    """Levels as a digest, and what certifies them."""
    rng = np.random.default_rng(users)
    value = np.sort(rng.random((users, levels)), axis=1)
    cost = np.round(np.sort(rng.random((users, levels)), axis=1) * 5, 2)
    cost[:, 0] = 0
    groups = np.array(GROUPS)[rng.integers(0, 3, users)]
    result = solve(value, cost, budgets, groups=groups)
    return {
        "levels": hashlib.sha256(np.asarray(result.levels, dtype="<i8").tobytes()).hexdigest()[:16],
        "value": result.value,
        "bound": result.bound,
        "spend": result.spend,
        "prices": result.prices,
    }


@pytest.mark.parametrize("name", CASES)
def test_an_allocation_is_the_recorded_one(name: str) -> None:
    expected = json.loads(RECORD.read_text())[name]
    result = allocation_of(*CASES[name])
    assert result["levels"] == expected["levels"]
    assert result["spend"] == expected["spend"]
    for number in ("value", "bound"):
        assert result[number] == pytest.approx(expected[number], rel=1e-12)
    assert result["prices"] == pytest.approx(expected["prices"], rel=1e-9)


if __name__ == "__main__":
    made = {name: allocation_of(*given) for name, given in CASES.items()}
    RECORD.write_text(json.dumps(made, indent=1) + "\n")
