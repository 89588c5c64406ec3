"""Checkpoints: killed anywhere and resumed to the same digit, never executed, gone at the end."""

import json
import logging
import os
import pickle
import stat
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from known_mdp import AMOUNTS, NAMES, SMALL, UNIFORM, KnownMDP

from bcrlsp.learning import Settings
from bcrlsp.learning.checkpoints import Checkpoints, Saved
from bcrlsp.learning.task import TrainedPolicy
from bcrlsp.learning.training import train

LOG = KnownMDP(2).log(UNIFORM, users=150, steps=10, seed=1)
GIVEN = {"feature_names": NAMES, "feature_set": "fs", "amounts": AMOUNTS, "seed": 5}
PLAIN = Settings(**{"updates": 60, "iteration": 20} | SMALL)
# The held-out error is lowest long before the updates are over.
PATIENT = Settings(
    **{"updates": 600, "iteration": 20, "patience": 3} | SMALL | {"learning_rate": 0.02},
    decay="constant",
)


class KilledError(Exception):
    """Stands for a driver that dies."""


def run(settings: Settings, place: Path | None = None, kill_at: int | None = None, **more):
    """Trains; dies at the point number `kill_at` that this call sees."""
    seen = []

    def progress(point: dict) -> None:
        seen.append(point["update"])
        if len(seen) - 1 == kill_at:
            raise KilledError

    folder = None if place is None else str(place)
    return train(LOG, settings, progress=progress, checkpoints=folder, **GIVEN, **more), seen


def assert_same(one: TrainedPolicy, other: TrainedPolicy) -> None:
    assert one.policy.policy_id == other.policy.policy_id
    assert one.curve == other.curve
    assert one.metrics == other.metrics
    for name, array in one.policy.network.weights.items():
        np.testing.assert_array_equal(array, other.policy.network.weights[name])


@pytest.fixture(scope="module")
def whole() -> TrainedPolicy:
    return run(PLAIN)[0]


@pytest.fixture(scope="module")
def patient() -> TrainedPolicy:
    trained = run(PATIENT)[0]
    assert 3 < len(trained.curve) < 30  # patience ended it
    return trained


def left(place: Path) -> list[Path]:
    return list(place.rglob("*"))


def test_killed_again_and_again_it_ends_at_the_same_digit(
    patient: TrainedPolicy, tmp_path: Path
) -> None:
    place = tmp_path / "ck"
    for kill_at in (0, 1, 2):
        with pytest.raises(KilledError):
            run(PATIENT, place, kill_at)
    resumed, seen = run(PATIENT, place)
    assert seen[0] == 80  # kept before each kill: none, one, and two more
    assert_same(resumed, patient)
    assert not place.exists()


def test_killed_at_its_last_point_it_stops_where_patience_did(
    patient: TrainedPolicy, tmp_path: Path
) -> None:
    with pytest.raises(KilledError):
        run(PATIENT, tmp_path / "ck", kill_at=len(patient.curve) - 1)
    resumed, seen = run(PATIENT, tmp_path / "ck")
    assert len(seen) == 1
    assert_same(resumed, patient)
    again, _ = run(PATIENT, tmp_path / "ck")
    assert_same(again, patient)


@pytest.mark.parametrize("settings", [PLAIN, PATIENT])
def test_killed_before_its_policy_is_saved_nothing_is_trained_again(
    settings: Settings, whole: TrainedPolicy, patient: TrainedPolicy, tmp_path: Path
) -> None:
    def keep(trained: TrainedPolicy) -> None:
        raise KilledError

    place, kept = tmp_path / "ck", []
    with pytest.raises(KilledError):
        run(settings, place, keep=keep)
    resumed, seen = run(settings, place, keep=kept.append)
    assert seen == []
    assert_same(resumed, whole if settings is PLAIN else patient)
    assert kept == [resumed]
    assert not place.exists()


def test_only_its_owner_may_read_it_and_nothing_in_it_is_a_pickle(tmp_path: Path) -> None:
    os.umask(old := os.umask(0))
    try:
        os.umask(0)
        with pytest.raises(KilledError):
            run(PLAIN, tmp_path / "ck", kill_at=1)
    finally:
        os.umask(old)
    folders = [tmp_path / "ck", *(path for path in left(tmp_path / "ck") if path.is_dir())]
    assert len(folders) == 3
    assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o700}
    files = [path for path in left(tmp_path / "ck") if path.is_file()]
    assert {path.name for path in files} == {"arrays.npz", "progress.json", "manifest.json"}
    for path in files:
        with pytest.raises((pickle.UnpicklingError, ValueError, KeyError, IndexError, EOFError)):
            pickle.loads(path.read_bytes())
    with np.load(next(p for p in files if p.suffix == ".npz"), allow_pickle=False) as held:
        assert {held[name].dtype for name in held.files} == {np.dtype("f4")}


class Bomb:
    """Executed when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


def _flip(folder: Path) -> None:
    content = bytearray((folder / "arrays.npz").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "arrays.npz").write_bytes(content)


def _cut(folder: Path) -> None:
    content = (folder / "arrays.npz").read_bytes()
    (folder / "arrays.npz").write_bytes(content[:-100])


def _other_curve(folder: Path) -> None:
    told = json.loads((folder / "progress.json").read_text())
    told["curve"][-1]["update"] = 60.0
    (folder / "progress.json").write_text(json.dumps(told))


def _other_run(folder: Path) -> None:
    told = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**told, "run": "another"}))


def _signed(folder: Path, change: Callable[[dict[str, np.ndarray]], dict]) -> None:
    """Other arrays, with the digests that belong to them."""
    import hashlib

    with np.load(folder / "arrays.npz") as held:
        arrays = {name: held[name] for name in held.files}
    np.savez(folder / "arrays.npz", **change(arrays))
    told = json.loads((folder / "manifest.json").read_text())
    content = (folder / "arrays.npz").read_bytes()
    told["sha256"]["arrays.npz"] = hashlib.sha256(content).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(told))


def _bomb(folder: Path) -> None:
    mark = folder.parent.parent.parent / "executed"
    _signed(folder, lambda held: {**held, "x": np.array([Bomb(mark)], object)})
    content = pickle.dumps(Bomb(mark))
    for name in ("algorithm_state.pkl", "class_and_ctor_args.pkl"):
        (folder / name).write_bytes(content)


DAMAGES = {
    "a bit": _flip,
    "its end": _cut,
    "another curve": _other_curve,
    "another run": _other_run,
    "no manifest": lambda folder: (folder / "manifest.json").unlink(),
    "a manifest that is none": lambda folder: (folder / "manifest.json").write_text("[1]"),
    "no arrays": lambda folder: (folder / "arrays.npz").unlink(),
    "other shapes": lambda folder: _signed(
        folder, lambda held: {name: array[..., None] for name, array in held.items()}
    ),
    "an array less": lambda folder: _signed(
        folder, lambda held: dict(list(held.items())[:-1])
    ),
    "a bomb": _bomb,
    "a mode that lets others write": lambda folder: folder.parent.chmod(0o777),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_or_foreign_is_left_out_with_a_line(
    damage: str, whole: TrainedPolicy, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = tmp_path / "ck"
    with pytest.raises(KilledError):
        run(PLAIN, place, kill_at=2)
    (held,) = place.glob("*/*")
    DAMAGES[damage](held)
    with caplog.at_level(logging.WARNING, "bcrlsp"):
        trained, seen = run(PLAIN, place)
    told = [record.getMessage() for record in caplog.records if record.name.startswith("bcrlsp")]
    assert len(told) == 1
    assert "is not used" in told[0]
    assert "\n" not in told[0]
    assert seen == [20, 40, 60]
    assert_same(trained, whole)
    assert left(tmp_path) == []


def test_other_runs_are_apart(tmp_path: Path, whole: TrainedPolicy) -> None:
    with pytest.raises(KilledError):
        run(PLAIN.model_copy(update={"gamma": 0.5}), tmp_path / "ck", kill_at=2)
    trained, seen = run(PLAIN, tmp_path / "ck")
    assert len(seen) == 3
    assert_same(trained, whole)
    assert len(list((tmp_path / "ck").iterdir())) == 1  # what the other run left


def test_where_no_folder_can_be_made_training_goes_on(
    whole: TrainedPolicy, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    trained, _ = run(PLAIN, tmp_path / "file" / "ck")
    assert_same(trained, whole)
    assert "no checkpoint could be kept" in caplog.text
    caplog.clear()
    held = Checkpoints("s3://bucket/training", "run")
    held.save(Saved([{"update": 1.0}], {}))
    assert held.latest({}) is None
    assert "no folder of a file system" in caplog.text


def test_two_at_once_do_not_stand_in_each_others_way(tmp_path: Path) -> None:
    arrays = {"a": np.arange(3, dtype="f4")}
    one, other = (Checkpoints(str(tmp_path / "ck"), "run") for _ in range(2))
    curve = [{"update": 1.0, "td": float("nan")}]
    one.save(Saved(curve, arrays))
    other.save(Saved(curve, arrays))
    found = one.latest({"a": (3,)})
    assert found is not None
    np.testing.assert_array_equal(found.arrays["a"], arrays["a"])
    other.remove()
    one.save(Saved(curve * 2, arrays))
    found = other.latest({"a": (3,)})
    assert found is not None
    assert len(found.curve) == 2
