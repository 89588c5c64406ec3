"""Training runs: resumed, stopped early, shared by learners, and mistakes that are told."""

import numpy as np
import pytest
import torch
from known_mdp import AMOUNTS, EVERY_STATE, NAMES, SMALL, UNIFORM, KnownMDP

from bcrlsp.errors import ConfigError, DataError
from bcrlsp.learning import Settings
from bcrlsp.learning.network import TorchNetwork
from bcrlsp.learning.training import train
from bcrlsp.policies import HEADS, HeadSpec, Network, NetworkSpec

LOG = KnownMDP(2).log(UNIFORM, users=150, steps=10, seed=1)
GIVEN = {"feature_names": NAMES, "feature_set": "fs", "amounts": AMOUNTS, "seed": 5}


def settings(**changes) -> Settings:
    return Settings(**{"updates": 60, "iteration": 20} | SMALL | changes)


@pytest.mark.parametrize("kind", HEADS.names())
def test_the_torch_network_and_the_numpy_one_agree(kind: str) -> None:
    heads = (HeadSpec(name="q", kind=kind, amounts=AMOUNTS, members=3),)
    spec = NetworkSpec(inputs=5, hidden=(64, 64), heads=heads)
    torch.manual_seed(1)
    rng = np.random.default_rng(1)
    built = TorchNetwork(spec, rng.normal(size=5), rng.random(5) + 0.5)
    states = rng.normal(size=(300, 5)).astype("f4") * 3
    weights = {name: array.numpy() for name, array in built.state_dict().items()}
    assert {name: array.shape for name, array in weights.items()} == spec.shapes()
    with torch.no_grad():
        expected = built(torch.from_numpy(states))["q"].mean(1).numpy()
    np.testing.assert_allclose(Network(spec, weights).heads(states, ("q",))[0], expected, atol=1e-5)


def test_patience_keeps_the_best_weights_of_the_curve() -> None:
    long = settings(updates=2000, iteration=20, patience=2, learning_rate=0.05, decay="constant")
    result = train(LOG, long, **GIVEN)
    errors = [point["holdout_td"] for point in result.curve]
    best = int(np.argmin(errors))
    assert len(errors) < 100
    assert len(errors) == best + 3
    assert result.metrics["holdout_td"] == errors[best]
    short = long.model_copy(update={"updates": 20 * (best + 1), "patience": None})
    shorter = train(LOG, short, **GIVEN)
    for name, array in shorter.policy.network.weights.items():
        np.testing.assert_array_equal(array, result.policy.network.weights[name])


@pytest.mark.usefixtures("ray_instance")
def test_two_learners_give_the_curve_of_one() -> None:
    one, two = (train(LOG, settings(updates=60, learners=count), **GIVEN) for count in (0, 2))
    assert len(one.curve) == 3
    for at_one, at_two in zip(one.curve, two.curve, strict=True):
        assert at_one == pytest.approx(at_two, abs=1e-4)
    for name, array in one.policy.network.weights.items():
        np.testing.assert_allclose(array, two.policy.network.weights[name], atol=1e-4)


def test_a_price_is_taken_off_in_training_and_added_back_in_the_values() -> None:
    mdp = KnownMDP(2)
    log = mdp.log(UNIFORM, users=600, steps=25, seed=1)
    long = settings(updates=1500, iteration=500, price=0.2, algorithm="dqn")
    policy = train(log, long, **GIVEN).policy
    expected = mdp.optimum(price=0.2) + 0.2 * mdp.cost
    np.testing.assert_allclose(policy.q_values(EVERY_STATE), expected, atol=0.2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"algorithm": "sarsa"}, "unknown algorithm 'sarsa'; allowed: advantage, auto, bc"),
        ({"head": "tall"}, "unknown head 'tall'; allowed: dueling"),
        (
            {"options": {"beta": 1}},
            r"options\.beta is unknown to the algorithm cql; allowed: alpha",
        ),
        ({"options": {"alpha": -1}}, r"options\.alpha = -1 of the algorithm cql"),
        ({"learners": 3}, "batch_size 256 for 3 learners"),
        ({"price": 1, "largest_price": 1}, "allowed: one of them"),
    ],
)
def test_settings_that_are_wrong_are_one_clear_line(changes: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        train(LOG, settings(**changes), **GIVEN)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"amounts": (1.0, 2.0, 3.0)}, "the first 0, each above the one before"),
        ({"amounts": (0.0, 2.0, 1.0)}, "each above the one before"),
        ({"amounts": (0.0, 1.0, 1.0)}, "each above the one before"),
        ({"amounts": (0.0, -1.0, 2.0)}, "each above the one before"),
        ({"amounts": (0.0, float("nan"), 2.0)}, "each above the one before"),
        ({"amounts": (0.0, 1.0, float("inf"))}, "each above the one before"),
        ({"amounts": (0.0,)}, "from 2 to 128 numbers"),
        ({"amounts": 3.0}, "from 2 to 128 numbers"),
        ({"amounts": ((0.0, 1.0, 2.0),)}, "from 2 to 128 numbers"),
        ({"amounts": ("0", "one")}, "from 2 to 128 numbers"),
        ({"amounts": tuple(range(129))}, "from 2 to 128 numbers"),
        ({"seed": -1}, r"seed -1; allowed: a whole number from 0 to 2\^32 - 1"),
        ({"seed": 1.5}, r"seed 1\.5"),
        ({"seed": True}, "seed True"),
        ({"seed": 2**32}, "seed 4294967296"),
    ],
)
def test_arguments_that_are_wrong_are_one_clear_line(changes: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        train(LOG, settings(), **GIVEN | changes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"feature_names": NAMES[:-1]}, "states have 6 features for 5 names"),
        ({"amounts": AMOUNTS[:-1]}, "level 2 was logged and amounts has 2 levels"),
    ],
)
def test_transitions_that_do_not_fit_are_one_clear_line(changes: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        train(LOG, settings(), **GIVEN | changes)
    with pytest.raises(DataError, match="of the feature set old for training on fs"):
        train(type(LOG)(**LOG.__dict__ | {"feature_set": "old"}), settings(), **GIVEN)


def test_a_loss_that_explodes_is_told_with_what_to_do() -> None:
    with pytest.raises(DataError, match=r"the loss became .* lower learning_rate"):
        train(LOG, settings(learning_rate=1e30), **GIVEN)
