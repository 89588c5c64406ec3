"""Policies by seed that a change of the code's form must not change.

This code made the record: `python tests/learning/test_recorded_policies.py`.
It is no proof that the numbers are right; the other tests here are. Explain a number that changes.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from known_mdp import AMOUNTS, EVERY_STATE, NAMES, SMALL, UNIFORM, KnownMDP

from bcrlsp.learning import Settings, train

RECORD = Path(__file__).with_name("recorded.json")
ALGORITHMS = ("dqn", "cql", "iql", "bcq")


def learned(algorithm: str) -> list[list[float]]:
    """Q of a short training run in each state."""
    log = KnownMDP(2).log(UNIFORM, users=150, steps=10, seed=1)
    settings = Settings(**{"updates": 60, "iteration": 30, "algorithm": algorithm} | SMALL)
    result = train(log, settings, feature_names=NAMES, feature_set="fs", amounts=AMOUNTS, seed=5)
    values: list[list[float]] = result.policy.q_values(EVERY_STATE).round(6).tolist()
    return values


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_policy_is_the_recorded_one(algorithm: str) -> None:
    """But for float32, whose sums depend on how wide the processor's vectors are."""
    expected = json.loads(RECORD.read_text())[algorithm]
    np.testing.assert_allclose(learned(algorithm), expected, rtol=2e-3, atol=2e-3)


if __name__ == "__main__":
    RECORD.write_text(json.dumps({name: learned(name) for name in ALGORITHMS}, indent=1) + "\n")
