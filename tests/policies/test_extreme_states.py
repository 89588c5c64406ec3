"""States of any size give numbers, rewards come back in their unit, and the rest is refused."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydantic import ValidationError

from bcrlsp.errors import DataError
from bcrlsp.learning.network import TorchNetwork
from bcrlsp.policies import (
    HeadSpec,
    Manifest,
    Network,
    NetworkSpec,
    Policy,
    load_policy,
    save_policy,
)
from tests.policies.test_policy import AMOUNTS, make, states

CLIP = ((-2.0, 2.0), (0.0, 0.0), (-1e38, 1e38), (0.5, 3.0))
NUMBERS = st.floats(allow_nan=False, allow_infinity=False, width=32)


def clipped(clip: tuple | None = CLIP, **changes) -> Policy:
    made = make(**changes)
    spec = made.manifest.network.model_copy(update={"clip": clip})
    manifest = made.manifest.model_copy(update={"network": spec})
    return Policy(manifest, Network(spec, made.network.weights))


def test_beyond_the_bounds_a_state_is_read_as_the_bound() -> None:
    policy, x = clipped(), states(200) * 4
    low, high = np.array(CLIP).T
    inside = np.clip(x, low, high).astype("f4")
    np.testing.assert_array_equal(policy.q_values(x), policy.q_values(inside))
    unclipped = Policy(make().manifest, policy.network)
    np.testing.assert_array_equal(policy.q_values(inside), unclipped.q_values(inside))


@given(arrays(np.float32, (2, 4), elements=NUMBERS), st.sampled_from([CLIP, None]))
def test_every_finite_state_has_finite_values_the_same_in_torch(
    x: np.ndarray, clip: tuple | None
) -> None:
    policy = clipped(clip)
    value, cost = policy.evaluate(x)
    assert np.isfinite(value).all()
    assert np.isfinite(cost).all()
    weights = policy.network.weights
    network = TorchNetwork(policy.manifest.network, weights["mean"], weights["std"])
    network.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    with torch.no_grad():
        twin = network(torch.from_numpy(x))["q"].mean(1).numpy()
    # Sums of large float32 numbers that nearly cancel differ by a share of the largest.
    np.testing.assert_allclose(value, twin, rtol=1e-5, atol=1e-5 * (1 + np.abs(value).max()))


@pytest.mark.parametrize("clip", [CLIP, None])
@pytest.mark.parametrize("number", [3e38, -3e38, 1e300, -1e300, 1.7e308, 2**70])
def test_the_largest_numbers_there_are(number: float, clip: tuple | None) -> None:
    x = np.zeros((4, 4), float)
    x[np.arange(4), np.arange(4)] = number
    policy = clipped(clip)
    for given_as in (x, x.tolist(), x.astype(object)):
        assert np.isfinite(policy.q_values(given_as)).all()
        assert np.isfinite(policy.probabilities(given_as, rule="softmax")).all()


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.array([[0, 0, np.nan, 0]]), "feature c is nan in row 0"),
        (np.array([[0, 0, 0, 0], [0, np.inf, 0, 0]]), "feature b is inf in row 1"),
        (np.array([[0, 0, 0, None]]), "feature d is nan in row 0"),
        (np.zeros(4), r"states of shape \(4,\).*allowed: \(n, 4\)"),
        (np.zeros((2, 3)), r"states of shape \(2, 3\)"),
        (np.zeros((1, 4), complex), "states is an array of complex128"),
        ([["a", "b", "c", "d"]], "states is an array of <U1"),
        ([[1, 2], [3]], "states is not an array of numbers"),
        (None, "states of shape"),
    ],
)
def test_what_is_no_state_is_refused(x: object, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        make().q_values(x)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_numbers_of_other_types_are_the_same_states() -> None:
    policy, x = make(), np.arange(8).reshape(2, 4) % 3
    for other in (x.astype("f4"), x.astype("u1"), x.astype("f8"), x.tolist(), x.astype(object)):
        np.testing.assert_array_equal(policy.q_values(other), policy.q_values(x))
    assert policy.q_values(np.zeros((0, 4))).shape == (0, 3)


def test_rewards_are_given_back_in_their_unit(tmp_path) -> None:
    plain, scaled = make(price=0.5), make(price=0.5, reward_scale=1e5)
    x = states()
    costs = plain.costs(x)
    np.testing.assert_allclose(
        scaled.q_values(x), 1e5 * (plain.q_values(x) - 0.5 * costs) + 0.5 * costs, rtol=1e-9
    )
    loaded = load_policy(save_policy(scaled, str(tmp_path / "p")))
    np.testing.assert_array_equal(loaded.q_values(x), scaled.q_values(x))
    loaded = load_policy(save_policy(clipped(), str(tmp_path / "c")))
    np.testing.assert_array_equal(loaded.q_values(x * 9), clipped().q_values(x * 9))


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.full((1, 3), 2), "allowed is 2 in row 0, 0; allowed: true and false, or 0 and 1"),
        (np.full((1, 3), 0.5), r"allowed is 0\.5"),
        (np.array([[1.0, np.nan, 1.0]]), "allowed is nan in row 0, 1"),
        (np.zeros((1, 3), int), "row 0 allows no level"),
        (np.ones((1, 2)), r"allowed levels of shape \(1, 2\)"),
        ([["yes", "no", "no"]], "allowed is an array of"),
    ],
)
def test_masks_are_true_and_false(mask: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        make().probabilities(states(1), allowed=mask)  # type: ignore[arg-type]
    some = np.array([[0, 1, 0]])
    for kind in (bool, "i4", "f8", object):
        chosen = make().probabilities(states(1), allowed=some.astype(kind))
        np.testing.assert_array_equal(chosen, some)


@pytest.mark.parametrize("price", [-1.0, np.nan, np.inf])
def test_a_price_is_a_number(price: float) -> None:
    with pytest.raises(DataError, match=f"price {price} of money; allowed"):
        make().q_values(states(1), price)
    with pytest.raises(DataError, match="temperature nan"):
        make().probabilities(states(1), temperature=np.nan)


@pytest.mark.parametrize(
    "clip", [CLIP[:3], (*CLIP[:3], (1.0, 0.0)), (*CLIP[:3], (np.nan, 0.0)), (*CLIP[:3], (0, 3e38))]
)
def test_bounds_are_checked(clip: tuple) -> None:
    heads = [HeadSpec(name=name, amounts=AMOUNTS) for name in ("q", "cost")]
    with pytest.raises(ValidationError):
        NetworkSpec(inputs=4, hidden=(8,), heads=heads, clip=clip)
    assert "reward_scale" in Manifest.model_fields
