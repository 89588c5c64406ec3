"""Discounted costs: what the learned policy itself goes on to spend."""

import numpy as np
import pyarrow as pa
import pytest
from known_mdp import EVERY_STATE, GAMMA, LEVELS, MDP, UNIFORM, KnownMDP, learn

from bcrlsp.errors import DataError
from bcrlsp.policies import load_policy, save_policy
from bcrlsp.policies.scoring import score_batch


def spending(mdp: KnownMDP, policy: np.ndarray) -> np.ndarray:
    """(states, levels) expected discounted cost where `policy` follows."""
    cost = np.zeros_like(mdp.cost)
    for _ in range(400):
        cost = mdp.cost + GAMMA * mdp.step((policy * cost).sum(axis=1))
    return cost


@pytest.mark.parametrize("name", ["dqn", "bcq", "bc"])
def test_what_the_policy_spends_from_now_on_is_learned(name: str) -> None:
    policy = learn(name, discounted_cost=True).policy
    follows = UNIFORM if name == "bc" else np.eye(LEVELS)[MDP.optimum().argmax(axis=1)]
    expected = spending(MDP, follows)
    assert expected.min() > 2 * MDP.cost.mean()  # the horizon counts
    np.testing.assert_allclose(policy.discounted_costs(EVERY_STATE), expected, rtol=0.15)
    np.testing.assert_allclose(policy.costs(EVERY_STATE), MDP.cost, atol=0.1)


def test_scores_take_the_discounted_cost_where_it_was_learned(tmp_path) -> None:
    brief = {"updates": 20, "iteration": 20}
    batch = pa.RecordBatch.from_pydict(
        {"user_id": [f"u{k}" for k in range(len(EVERY_STATE))], "state": list(EVERY_STATE)}
    )
    trained = learn("myopic", discounted_cost=True, **brief).policy
    policy = load_policy(save_policy(trained, str(tmp_path / "p")))
    scored = score_batch(batch, policy, "discounted").column("cost").to_pylist()
    np.testing.assert_allclose(scored, policy.discounted_costs(EVERY_STATE))
    with pytest.raises(DataError, match="has not learned discounted costs; train with"):
        score_batch(batch, learn("myopic", **brief).policy, "discounted")
