"""Saved policies that were damaged, edited or made up: one line, and never a policy."""

import hashlib
import io
import json
import os
import re
import struct
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from test_policy import AMOUNTS, make, states

from bcrlsp.errors import DataError
from bcrlsp.policies import Manifest, Network, Policy, load_policy, save_policy


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(save_policy(make(), str(tmp_path / "p")))


def signed(fields: dict[str, Any]) -> str:
    """policy.json as a forger writes it: with the digest of what it says, by its definition."""
    content = {name: value for name, value in fields.items() if name != "digest"}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return json.dumps({**content, "digest": hashlib.sha256(text.encode()).hexdigest()})


def forge(folder: Path, packed: bytes | None = None, **changes: Any) -> None:
    """Other fields and weights under digests that fit them."""
    fields = json.loads((folder / "policy.json").read_text()) | changes
    if packed is not None:
        (folder / "weights.npz").write_bytes(packed)
        fields["weights_sha256"] = hashlib.sha256(packed).hexdigest()
    (folder / "policy.json").write_text(signed(fields))


def refused(folder: Path, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        load_policy(str(folder))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def edit(**changes: Any) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return spoil


def loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


def dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("name", "spoil", "message"),
    [
        ("weights.npz", truncate, "truncated"),
        ("weights.npz", lambda path: path.write_bytes(b""), "truncated"),
        ("weights.npz", lambda path: path.write_bytes(bytes(9_999_999)), "9,999,999 bytes; allo"),
        ("policy.json", truncate, "is no policy of this format"),
        ("policy.json", edit(amounts=[0, 100, 300]), "was changed after the policy was saved"),
        ("policy.json", edit(amounts=[0, float("nan"), 3]), "the number NaN"),
        ("policy.json", edit(cost_unit=float("inf")), "the number Infinity"),
        ("policy.json", edit(policy_id="other"), "was changed after the policy was saved"),
        ("policy.json", edit(gamma=0.5), "was changed after the policy was saved"),
        ("policy.json", edit(weights_sha256="0"), "was changed after the policy was saved"),
        ("policy.json", edit(digest=None), "has no digest"),
        ("policy.json", edit(digest="0" * 64), "was changed after the policy was saved"),
        ("policy.json", edit(digest=7), "was changed after the policy was saved"),
        ("policy.json", edit(format=2), "format 2; this version of bcrlsp reads format 1"),
        ("policy.json", edit(format="x" * 999), "reads format 1"),
        ("policy.json", edit(format=[1]), "reads format 1"),
        ("policy.json", lambda path: path.write_text("[]"), "is no policy of this format"),
        ("policy.json", lambda path: path.write_text(""), "is no policy of this format"),
        ("policy.json", lambda path: path.write_text("{}"), "is no policy of this format"),
        ("policy.json", lambda path: path.write_text("null"), "is no policy of this format"),
        ("policy.json", lambda path: path.write_text("[" * 99_999), "is no policy of this format"),
        ("policy.json", lambda path: path.write_text('{"a": 1, "a": 2}'), "is no policy of this f"),
        ("policy.json", lambda path: path.write_text("9" * 9_999), "is no policy of this format"),
        ("policy.json", lambda path: path.write_bytes(b"\xff\xfe"), "is no policy of this format"),
        (
            "policy.json",
            lambda path: path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes()),
            "is no policy of this format",
        ),
        ("policy.json", lambda path: path.write_bytes(bytes(17 * 2**20)), "at most 16,777,216"),
        ("weights.npz", Path.unlink, "there is no policy at"),
        ("policy.json", Path.unlink, "there is no policy at"),
        ("policy.json", dangling, "there is no policy at"),
        ("policy.json", loop, "cannot read|there is no policy|no plain file"),
        ("policy.json", pipe, "is no plain file"),
        ("weights.npz", directory, "is no plain file"),
    ],
)
def test_a_spoiled_folder_is_one_clear_line(
    folder: Path, name: str, spoil: Callable[[Path], Any], message: str
) -> None:
    spoil(folder / name)
    refused(folder, message)


HEAD = {"kind": "plain", "members": 1, "pessimism": 0.0}
HEADS = [
    {"name": name, "amounts": list(AMOUNTS), **HEAD} for name in ("q", "cost", "behaviour")
]  # fmt: skip


def network(**changes: Any) -> dict[str, Any]:
    return {"network": {"inputs": 4, "hidden": [8, 6], "heads": HEADS} | changes}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"amounts": [1.0, 2.0, 3.0]}, "level 0 has the amount 1; allowed: 0"),
        ({"amounts": [0.0, -1.0, 3.0]}, r"amounts\.1 = -1.0"),
        ({"amounts": [0.0, 3.0, 1.0]}, "amounts are 0, 3, 1; allowed: each above the one before"),
        ({"amounts": [0.0, 0.0, 1.0]}, "amounts are 0, 0, 1; allowed: each above the one before"),
        ({"price": 1.0, "largest_price": 2.0}, "both above 0; allowed: one of them"),
        ({"amounts": [0.0, 1e999, 3.0]}, "Infinity|inf|finite"),
        ({"amounts": [0.0]}, "amounts"),
        ({"amounts": [0.0, 100.0, 300.0]}, "the head q is of the amounts 0, 1, 3 and the policy"),
        ({"amounts": [0.0, "1", 3.0]}, "amounts"),
        ({"amounts": "0,1,3"}, "amounts"),
        ({"cost_unit": 0.0}, "cost_unit"),
        ({"cost_unit": -1.0}, "cost_unit"),
        ({"cost_unit": True}, "cost_unit"),
        ({"gamma": 1.01}, "gamma"),
        ({"gamma": -0.1}, "gamma"),
        ({"price": -1.0}, "price"),
        ({"support": 1.5}, "support"),
        ({"largest_price": 0.5}, "4 feature names for 4 inputs"),
        ({"policy_id": ""}, "policy_id"),
        ({"policy_id": ".."}, "policy_id"),
        ({"policy_id": "a/b"}, "policy_id"),
        ({"policy_id": "a\nb"}, "policy_id"),
        ({"policy_id": "a" * 201}, "policy_id"),
        ({"algorithm": ""}, "algorithm"),
        ({"feature_set": ""}, "feature_set"),
        ({"feature_names": ["a", "b", "c", "c"]}, "two features are named c"),
        ({"feature_names": ["a", "b", "c", ""]}, "feature_names"),
        ({"feature_names": ["a", "b", "c"]}, "3 feature names for 4 inputs"),
        ({"feature_names": []}, "feature_names"),
        ({"unknown": 1}, "unknown"),
        ({"network": None}, "network"),
        (network(hidden=[0]), "hidden"),
        (network(hidden=[10**15]), r"layers\.0\.weight|truncated|holds"),
        (network(hidden=[9, 6]), r"layers\.0\.weight is \(8, 4\) float32; allowed: \(9, 4\)"),
        (network(inputs=5), "4 feature names for 5 inputs"),
        (network(heads=[]), "heads"),
        (network(heads=HEADS[:1]), "the network needs the heads q and cost"),
        (network(heads=[*HEADS, HEADS[0]]), "two heads of one name"),
        (network(heads=[HEADS[0] | {"kind": "magic"}, HEADS[1]]), "unknown head 'magic'"),
        (network(heads=[HEADS[0] | {"members": 0}, HEADS[1]]), "members"),
        (network(heads=[HEADS[0] | {"pessimism": -1.0}, HEADS[1]]), "pessimism"),
        (network(heads=[HEADS[0] | {"amounts": [0.0, 1.0]}, HEADS[1]]), "the head q is of the amo"),
        (network(heads=[HEADS[0] | {"amounts": []}, HEADS[1]]), "amounts"),
    ],
)
def test_a_manifest_that_cannot_be_is_refused_though_its_digest_fits(
    folder: Path, changes: dict[str, Any], message: str
) -> None:
    forge(folder, **changes)
    refused(folder, message)


def packed(weights: dict[str, np.ndarray], compression: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, array in weights.items():
            entry = io.BytesIO()
            np.save(entry, array)
            archive.writestr(f"{name}.npy", entry.getvalue())
    return stream.getvalue()


def spoiled(name: str, change: Callable[[np.ndarray], Any]) -> dict[str, np.ndarray]:
    weights = dict(make().network.weights)
    return weights | {name: change(weights[name])}


def put(place: tuple[int, ...], value: float) -> Callable[[np.ndarray], np.ndarray]:
    def change(array: np.ndarray) -> np.ndarray:
        array = array.copy()
        array[place] = value
        return array

    return change


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (spoiled("std", put((2,), 0.0)), "std of feature 2 is 0.0; allowed: above 0"),
        (spoiled("std", put((1,), -1.0)), "std of feature 1 is -1.0; allowed: above 0"),
        (spoiled("std", put((0,), np.nan)), "std holds numbers that are not finite"),
        (spoiled("mean", put((0,), np.inf)), "mean holds numbers that are not finite"),
        (spoiled("layers.2.bias", put((0,), np.nan)), "layers.2.bias holds numbers that"),
        (spoiled("mean", lambda a: a.astype("f8")), "mean is .* float64"),
        (spoiled("mean", lambda a: a.astype(">f4")), "mean is .* >f4"),
        (spoiled("mean", lambda a: a.astype("i4")), "mean is .* int32"),
        (spoiled("mean", lambda a: a[:3]), r"mean is \(3,\)"),
        (spoiled("mean", lambda a: a[None]), r"mean is \(1, 4\)"),
        (make().network.weights | {"extra": np.zeros(3, "f4")}, "unknown array extra.npy"),
        ({k: v for k, v in make().network.weights.items() if k != "std"}, "std.npy is absent"),
        ({}, "layers.0.bias.npy is absent"),
    ],
)  # fmt: skip
def test_weights_that_cannot_be_are_refused_though_their_digest_fits(
    folder: Path, weights: dict[str, np.ndarray], message: str
) -> None:
    forge(folder, packed(weights))
    refused(folder, message)


def test_compressed_and_pickled_and_lying_weights_are_refused(folder: Path) -> None:
    good = dict(make().network.weights)
    forge(folder, packed(good, zipfile.ZIP_DEFLATED))
    refused(folder, "is compressed")
    forge(folder, b"PK\x03\x04 no archive")
    refused(folder, "holds no arrays")
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in good:
            # A header that promises 4 TB behind a few bytes.
            head = str({"descr": "<f4", "fortran_order": False, "shape": (2**40,)}).encode()
            text = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head
            archive.writestr(f"{name}.npy", text)
    forge(folder, stream.getvalue())
    refused(folder, r"mean is \(1099511627776,\)")
    objects = {name: np.array([{}], object) for name in good}
    forge(folder, packed(objects))
    refused(folder, "object; allowed")


def test_another_digest_than_the_one_expected_is_refused(folder: Path) -> None:
    policy = load_policy(str(folder))
    assert len(policy.digest) == 64
    assert load_policy(str(folder), policy.digest).digest == policy.digest
    (folder / "policy.json").write_text(
        json.dumps(json.loads((folder / "policy.json").read_text()), indent=7)
    )
    assert load_policy(str(folder), policy.digest).policy_id == policy.policy_id
    forge(folder, gamma=0.81)
    assert load_policy(str(folder)).gamma == 0.81
    with pytest.raises(DataError, match="holds another policy than the one that was trained"):
        load_policy(str(folder), policy.digest)


def test_manifest_and_weights_each_change_the_digest(tmp_path: Path) -> None:
    made = [make(), make(1), make(price=0.1), make(cost_unit=2.0)]
    found = [
        load_policy(save_policy(policy, str(tmp_path / str(number)))).digest
        for number, policy in enumerate(made)
    ]
    assert len(set(found)) == len(made)
    assert load_policy(save_policy(make(), str(tmp_path / "again"))).digest == found[0]


@given(place=st.integers(0, 10**6), bit=st.integers(0, 7), name=st.sampled_from(["m", "w"]))
def test_no_flipped_bit_makes_another_policy(
    tmp_path_factory: pytest.TempPathFactory, place: int, bit: int, name: str
) -> None:
    folder = tmp_path_factory.mktemp("flip") / "p"
    policy = make()
    save_policy(policy, str(folder))
    path = folder / {"m": "policy.json", "w": "weights.npz"}[name]
    content = bytearray(path.read_bytes())
    content[place % len(content)] ^= 1 << bit
    path.write_bytes(bytes(content))
    try:
        found = load_policy(str(folder))
    except DataError:
        return
    # White space of policy.json means nothing.
    assert found.manifest == policy.manifest
    np.testing.assert_array_equal(found.q_values(states()), policy.q_values(states()))


@pytest.mark.parametrize("damage", [put((1,), 0.0), put((1,), np.nan)])
def test_a_policy_that_cannot_be_is_not_saved(
    tmp_path: Path, damage: Callable[[np.ndarray], np.ndarray]
) -> None:
    policy = make()
    weights = dict(policy.network.weights)
    weights["std"] = damage(weights["std"])
    with pytest.raises(DataError, match="policy test-0: std"):
        save_policy(Policy(policy.manifest, Network(policy.manifest.network, weights)),
                    str(tmp_path / "p"))  # fmt: skip
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"amounts": (0.0, float("nan"), 3.0)},
        {"amounts": (0.0, float("inf"), 3.0)},
        {"cost_unit": float("inf")},
        {"price": float("nan")},
        {"gamma": float("nan")},
    ],
)
def test_a_manifest_takes_no_number_that_is_not_finite(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Manifest.model_validate(make().manifest.model_dump() | changes)


def test_a_folder_of_an_older_version_gets_its_digest_when_it_is_saved_again(folder: Path) -> None:
    path = folder / "policy.json"
    fields = json.loads(path.read_text())
    digest = fields.pop("digest")
    path.write_text(json.dumps(fields))
    refused(folder, "has no digest: .* train again")
    save_policy(make(), str(folder))
    assert load_policy(str(folder)).digest == digest
    assert sorted(file.name for file in folder.iterdir()) == ["policy.json", "weights.npz"]
    # An edited one is not what is saved again.
    path.write_text(json.dumps(fields | {"gamma": 0.5}))
    with pytest.raises(DataError, match="exists and is not policy test-0 as it is saved now"):
        save_policy(make(), str(folder))
    path.write_text(json.dumps(fields | {"gamma": 0.5, "digest": digest}))
    with pytest.raises(DataError, match="exists and is not policy test-0 as it is saved now"):
        save_policy(make(), str(folder))


def test_places_that_cannot_be_written_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"exists and is not policy|cannot write"):
        save_policy(make(), str(tmp_path / "file"))
    with pytest.raises(DataError, match="cannot write"):
        save_policy(make(), str(tmp_path / "file" / "p"))
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(DataError, match=r"cannot write|exists and is not"):
        save_policy(make(), str(tmp_path / "link"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "link"]


def test_many_at_once_save_one_policy(tmp_path: Path) -> None:
    told: list[BaseException] = []

    def one() -> None:
        try:
            save_policy(make(), str(tmp_path / "p"))
        except BaseException as error:
            told.append(error)

    threads = [threading.Thread(target=one) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told == []
    assert [path.name for path in tmp_path.iterdir()] == ["p"]
    assert load_policy(str(tmp_path / "p")).policy_id == "test-0"


def test_no_answer_where_the_network_overflows() -> None:
    policy = make()
    weights = dict(policy.network.weights)
    for layer in range(3):
        weights[f"layers.{layer}.weight"] = weights[f"layers.{layer}.weight"] * np.float32(1e30)
    wild = Policy(policy.manifest, Network(policy.manifest.network, weights))
    for ask in (wild.q_values, wild.costs, wild.behaviour, wild.probabilities):
        with pytest.raises(DataError, match="no finite value in row"):
            ask(states())
    for price in (float("nan"), -1.0, float("inf")):
        with pytest.raises(DataError, match=r"price .* of money; allowed"):
            policy.q_values(states(), price)


@pytest.mark.parametrize(("field", "number"), [("gamma", "1e999"), ("cost_unit", "-1e400")])
def test_a_number_beyond_a_double_is_one_line(folder: Path, field: str, number: str) -> None:
    manifest = folder / "policy.json"
    text = re.sub(rf'"{field}": [^,\n]+', f'"{field}": {number}', manifest.read_text())
    manifest.write_text(text)
    assert number in manifest.read_text()
    refused(folder, "holds the number")
