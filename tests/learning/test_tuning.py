"""The search over settings, and the measure that it chooses by."""

import dataclasses

import numpy as np
import pytest
from known_mdp import AMOUNTS, GAMMA, LOG, MDP, NAMES, SMALL, UNIFORM, learn
from test_batches import chain

from bcrlsp.errors import ConfigError, DataError
from bcrlsp.learning import Settings
from bcrlsp.learning.improvement import improvement, returns
from bcrlsp.learning.tuning import changed, check_search, search

EVERY = np.flatnonzero(LOG.usable)


def test_returns_by_hand() -> None:
    # The last row is truncated: its reward is not known to be whole.
    assert returns(chain(), 0.5, 1.0).tolist() == [0 + 1 + 0.75 + 1, 2 + 1.5 + 2, 3 + 4, 8, 0]
    assert returns(chain(terminal=2), 0.5, 0.0).tolist() == [3, 4, 4, 8, 0]


def test_the_gain_of_one_decision_is_the_known_one() -> None:
    """At gamma 0 the best level's reward less the average level's, state by state."""
    policy = learn("myopic").policy
    gain, error = improvement(policy, LOG, EVERY, gamma=0.0)
    state = LOG.states[EVERY].argmax(axis=1)
    expected = (MDP.reward.max(axis=1) - (UNIFORM * MDP.reward).sum(axis=1))[state].mean()
    assert abs(gain - expected) < 4 * error
    assert expected > 10 * error
    unknown = dataclasses.replace(LOG, propensities=np.full(len(LOG), np.nan, "f4"))
    with pytest.raises(DataError, match="no propensity is known"):
        improvement(policy, unknown, EVERY, gamma=GAMMA)


@pytest.mark.usefixtures("ray_instance")
def test_the_search_finds_the_setting_that_learns() -> None:
    space = {"updates": (1, 400), "options.alpha": (0.001,)}
    settings = Settings(**{"algorithm": "cql", "iteration": 400, "search": space} | SMALL)
    found = search(LOG, settings, 4, feature_names=NAMES, feature_set="fs", amounts=AMOUNTS, seed=1)
    assert {trial.changes["updates"] for trial in found} == {1, 400}
    assert found[0].changes == {"updates": 400, "options.alpha": 0.001}
    assert found[0].gain > found[-1].gain + 2 * found[0].error
    best = changed(settings, found[0].changes)
    assert (best.updates, best.options) == (400, {"alpha": 0.001})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"search": {"height": (1,)}}, "search has 'height'; allowed: a setting of training"),
        ({"search": {"gamma": (0.5, 2.0)}}, r"training\.search: gamma = 2\.0"),
        ({"search": {"options.beta": (1,)}}, r"options\.beta is unknown to the algorithm cql"),
        ({"search": {}}, "search is empty"),
        ({"holdout": 0.0}, "holdout 0 with --tune"),
    ],
)
def test_a_search_that_cannot_be_made_is_one_clear_line(changes: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        check_search(Settings(**changes), AMOUNTS)
    assert "\n" not in str(caught.value)
