"""Policies: values by hand, rules, masks, and the saved format."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bcrlsp.errors import DataError
from bcrlsp.policies import (
    HEADS,
    HeadSpec,
    Manifest,
    Network,
    NetworkSpec,
    Policy,
    load_policy,
    save_policy,
)

AMOUNTS = (0.0, 1.0, 3.0)


def make(seed: int = 0, kind: str = "plain", members: int = 1, **changes) -> Policy:
    heads = [
        HeadSpec(name="q", kind=kind, amounts=AMOUNTS, members=members),
        HeadSpec(name="cost", amounts=AMOUNTS),
        HeadSpec(name="behaviour", amounts=AMOUNTS),
    ]
    inputs = 4 + ("largest_price" in changes)
    spec = NetworkSpec(inputs=inputs, hidden=(8, 6), heads=heads)
    rng = np.random.default_rng(seed)
    weights = {name: rng.normal(size=shape).astype("f4") for name, shape in spec.shapes().items()}
    weights["std"] = np.abs(weights["std"]) + 0.5
    manifest = Manifest(
        policy_id=f"test-{seed}",
        algorithm="test",
        amounts=AMOUNTS,
        feature_names=("a", "b", "c", "d"),
        feature_set="f1",
        gamma=0.8,
        network=spec,
        **changes,
    )
    return Policy(manifest, Network(spec, weights))


def states(n: int = 50, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, 4)).astype("f4")


def by_hand(policy: Policy, x: np.ndarray) -> np.ndarray:
    """Raw outputs in float64, written out layer by layer."""
    w = {name: array.astype(float) for name, array in policy.network.weights.items()}
    h = (x - w["mean"]) / w["std"]
    h = np.maximum(h @ w["layers.0.weight"].T + w["layers.0.bias"], 0)
    h = np.maximum(h @ w["layers.1.weight"].T + w["layers.1.bias"], 0)
    return h @ w["layers.2.weight"].T + w["layers.2.bias"]


def test_values_and_costs_are_the_networks_outputs() -> None:
    policy = make(price=0.25, cost_unit=3.0)
    raw = by_hand(policy, states())
    cost = np.maximum(raw[:, 3:6] * 3.0, 0)
    cost[:, 0] = 0
    np.testing.assert_allclose(policy.costs(states()), cost, atol=1e-4)
    np.testing.assert_allclose(policy.q_values(states()), raw[:, :3] + 0.25 * cost, atol=1e-4)


def test_a_long_batch_is_the_same_as_its_parts() -> None:
    policy, many = make(), states(40_000)
    whole = policy.q_values(many)
    np.testing.assert_allclose(
        whole[33_000:33_100], policy.q_values(many[33_000:33_100]), rtol=1e-5
    )


def test_dueling_monotone_and_smooth_heads_by_hand() -> None:
    raw = np.array([[1.0, 0.5, -0.5, 3.0]])
    dueling = HEADS.get("dueling").read(raw, AMOUNTS, np)
    assert dueling == pytest.approx(np.array([[0.5, -0.5, 3.0]]))
    soft = np.log1p(np.exp(np.array([0.5, -0.5]) - 3))
    expected = np.array([[1.0, 1.0 + soft[0], 1.0 + soft.sum()]])
    assert HEADS.get("monotone").read(raw[:, :3], AMOUNTS, np) == pytest.approx(expected)
    ends = HEADS.get("smooth").read(raw, AMOUNTS, np)[0]
    assert ends[[0, 2]] == pytest.approx(np.array([1.0, 4.0]))


@given(arrays(np.float32, (3, 3), elements=st.floats(-50, 50, width=32)))
def test_a_monotone_head_never_falls(raw: np.ndarray) -> None:
    values = HEADS.get("monotone").read(raw, AMOUNTS, np)
    assert (np.diff(values, axis=1) >= 0).all()


def test_pessimism_takes_the_members_spread_off_their_mean() -> None:
    head = HeadSpec(name="q", amounts=AMOUNTS, members=2, pessimism=0.5)
    raw = np.array([[1.0, 2.0, 3.0, 3.0, 2.0, 5.0]])
    assert head.read(raw, np) == pytest.approx(np.array([[2 - 0.5, 2.0, 4 - 0.5]]))


def test_rules_are_probabilities_and_keep_masks_and_support() -> None:
    policy, x = make(support=0.6), states(200)
    allowed = np.random.default_rng(3).random((200, 3)) < 0.5
    allowed[:, 0] = True
    may = policy.supported(x) & allowed
    may = np.where(may.any(axis=1, keepdims=True), may, allowed)
    for rule in ("greedy", "softmax", "behaviour"):
        chances = policy.probabilities(x, rule=rule, allowed=allowed)
        np.testing.assert_allclose(chances.sum(axis=1), 1, rtol=1e-12)
        assert (chances[~may] == 0).all()
    assert not policy.supported(x).all()
    values = np.where(may, policy.q_values(x), -np.inf)
    greedy = policy.probabilities(x, allowed=allowed).argmax(axis=1)
    np.testing.assert_array_equal(greedy, values.argmax(axis=1))


def test_a_price_moves_greedy_choices_to_cheaper_levels() -> None:
    policy, x = make(cost_unit=2.0), states(300)
    spends = [
        (policy.probabilities(x, price=price) * policy.costs(x)).sum() for price in (0, 0.5, 5)
    ]
    assert spends[0] > spends[1] > spends[2]


def test_saved_and_loaded_is_the_same_policy_and_no_heavy_import(tmp_path: Path) -> None:
    policy = make(price=0.1)
    uri = save_policy(policy, str(tmp_path / "p"))
    np.testing.assert_array_equal(load_policy(uri).q_values(states()), policy.q_values(states()))
    np.testing.assert_array_equal(
        load_policy(f"file://{uri}").costs(states()), policy.costs(states())
    )
    code = (
        "import sys; from bcrlsp.policies import load_policy; "
        f"load_policy({uri!r}).q_values(__import__('numpy').zeros((2, 4), 'f4')); "
        "print([m for m in ('torch', 'ray', 'pyspark', 'pandas') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_saving_again_changes_nothing_and_another_policy_is_refused(tmp_path: Path) -> None:
    uri = save_policy(make(), str(tmp_path / "p"))
    before = (Path(uri) / "weights.npz").stat().st_mtime_ns
    save_policy(make(), uri)
    assert (Path(uri) / "weights.npz").stat().st_mtime_ns == before
    with pytest.raises(DataError, match=r"is not policy test-1"):
        save_policy(make(1), uri)
    assert [path.name for path in tmp_path.iterdir()] == ["p"]


def test_an_unknown_filesystem_is_one_clear_line() -> None:
    with pytest.raises(DataError, match="cannot open nowhere://x"):
        load_policy("nowhere://x")


def test_states_of_another_shape_or_not_finite_are_refused() -> None:
    policy = make()
    with pytest.raises(DataError, match=r"shape \(3, 5\).*allowed: \(n, 4\)"):
        policy.q_values(np.zeros((3, 5), "f4"))
    spoiled = states()
    spoiled[7, 2] = np.nan
    with pytest.raises(DataError, match=r"feature c is nan in row 7"):
        policy.q_values(spoiled)


def test_arguments_out_of_range_are_refused() -> None:
    policy = make()
    with pytest.raises(DataError, match="row 1 allows no level"):
        policy.probabilities(states(2), allowed=np.array([[True] * 3, [False] * 3]))
    with pytest.raises(DataError, match=r"temperature 0; allowed: a number above 0"):
        policy.probabilities(states(2), temperature=0)
    with pytest.raises(DataError, match="unknown rule 'best'"):
        policy.probabilities(states(2), rule="best")
