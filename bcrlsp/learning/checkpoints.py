"""Checkpoints of a run: arrays and numbers in files that are read, never executed.

FOLDER/RUN/NUMBER has arrays.npz (read without pickle), progress.json, and manifest.json with the
run's identity and the SHA-256 of both. A checkpoint appears whole, takes the place of the one
before, and is used only where all of that is as it should be; anything else is left out with a
line of warning, and training starts anew. Nobody else may read or write the folder (mode 0700).
"""

import hashlib
import io
import json
import logging
import os
import shutil
import stat
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from bcrlsp.places import absolute

_LOG = logging.getLogger(__name__)
_FORMAT = 1
_ARRAYS, _PROGRESS, _MANIFEST = "arrays.npz", "progress.json", "manifest.json"

Curve = list[dict[str, float]]
Arrays = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Saved:
    """curve: of the run so far. arrays: by name, as they were after its last point."""

    curve: Curve
    arrays: Arrays


class Checkpoints:
    """The checkpoints of one run.

    folder: where those of all runs are: a path, or file:///…; None: none are kept, and neither are
        they on storage that is no file system.
    identity: of the run (`Task.identity`).
    """

    def __init__(self, folder: str | None, identity: str) -> None:
        self._identity = identity
        place = None if folder is None else _local(folder)
        self._folder = None if place is None else place / identity[:24]

    def latest(self, shapes: Mapping[str, tuple[int, ...]]) -> Saved | None:
        """The last whole checkpoint of this run; None: there is none that can be used.

        shapes: of the arrays that it must hold, at least.
        """
        if self._folder is None or not self._folder.exists():
            return None
        try:
            _check_owner(self._folder)
            whole = sorted(path for path in self._folder.iterdir() if path.suffix != ".part")
            return _read(whole[-1], self._identity, shapes) if whole else None
        except (OSError, _UnusableError) as error:
            _LOG.warning(
                "the checkpoint in %s is not used: %s; training starts anew", self._folder, error
            )
            # What is not used now must not be taken for the last one later.
            shutil.rmtree(self._folder, ignore_errors=True)
            return None

    def save(self, saved: Saved) -> None:
        """Writes it beside the last one and takes its place; a line of warning where it cannot."""
        if self._folder is None:
            return
        name = f"{len(saved.curve):06d}"
        fresh = self._folder / f"{name}.{uuid4().hex}.part"
        try:
            self._folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._folder.mkdir(mode=0o700, exist_ok=True)
            _check_owner(self._folder)
            fresh.mkdir(mode=0o700)
            _write(fresh, self._identity, saved)
            shutil.rmtree(self._folder / name, ignore_errors=True)
            fresh.rename(self._folder / name)
            for old in self._folder.iterdir():
                if old.name < name and old.suffix != ".part":
                    shutil.rmtree(old, ignore_errors=True)
        except (OSError, _UnusableError) as error:
            shutil.rmtree(fresh, ignore_errors=True)
            _LOG.warning(
                "no checkpoint could be kept in %s: %s; a killed run starts anew",
                self._folder,
                error,
            )

    def remove(self) -> None:
        """The run has ended: nothing of it stays, nor the folder of all runs where it is empty."""
        if self._folder is None or self._folder.is_symlink():
            return
        shutil.rmtree(self._folder, ignore_errors=True)
        try:
            self._folder.parent.rmdir()
        except OSError:
            return


class _UnusableError(Exception):
    """Why a checkpoint is not used."""


def _local(folder: str) -> Path | None:
    """A folder of the file system, or None for other storage."""
    for start, place in (("dbfs:/Volumes/", "/Volumes/"), ("dbfs:/", "/dbfs/"), ("file://", "")):
        if folder.startswith(start):
            return Path(place + folder.removeprefix(start)).absolute()
    if "://" in folder:
        _LOG.warning("no checkpoints are kept in %s: it is no folder of a file system", folder)
        return None
    return Path(absolute(folder))


def _check_owner(folder: Path) -> None:
    """Only this user may have written what is read here."""
    about = folder.lstat()
    if not stat.S_ISDIR(about.st_mode):
        raise _UnusableError("it is not a folder")
    if hasattr(os, "geteuid") and about.st_uid != os.geteuid():
        raise _UnusableError("it is another user's")
    if stat.S_IMODE(about.st_mode) & 0o022:
        raise _UnusableError("others may write to it; allowed: mode 0700")


def _write(folder: Path, identity: str, saved: Saved) -> None:
    packed = io.BytesIO()
    arrays: dict[str, Any] = dict(saved.arrays)
    np.savez(packed, allow_pickle=False, **arrays)
    files = {_ARRAYS: packed.getvalue(), _PROGRESS: json.dumps({"curve": saved.curve}).encode()}
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    manifest = {"format": _FORMAT, "run": identity, "sha256": digests}
    for name, content in {**files, _MANIFEST: json.dumps(manifest).encode()}.items():
        (folder / name).write_bytes(content)


def _read(folder: Path, identity: str, shapes: Mapping[str, tuple[int, ...]]) -> Saved:
    try:
        manifest = json.loads((folder / _MANIFEST).read_bytes())
        same = manifest["format"] == _FORMAT and manifest["run"] == identity
        digests = {name: str(manifest["sha256"][name]) for name in (_ARRAYS, _PROGRESS)}
    except (OSError, ValueError, KeyError, TypeError) as error:
        kind = type(error).__name__
        raise _UnusableError(f"{_MANIFEST} is missing or damaged ({kind})") from None
    if not same:
        raise _UnusableError("it is of another run or format")
    files = {name: (folder / name).read_bytes() for name in digests}
    for name, content in files.items():
        if hashlib.sha256(content).hexdigest() != digests[name]:
            raise _UnusableError(f"{name} is not what {_MANIFEST} was written with")
    try:
        curve = _curve(json.loads(files[_PROGRESS])["curve"])
        with np.load(io.BytesIO(files[_ARRAYS]), allow_pickle=False) as archive:
            arrays: Arrays = {name: archive[name] for name in archive.files}
    except (ValueError, KeyError, TypeError, OSError, zipfile.BadZipFile) as error:
        raise _UnusableError(f"its files are damaged ({type(error).__name__})") from None
    for name, shape in shapes.items():
        held = arrays.get(name)
        if held is None or held.shape != shape or held.dtype != np.float32:
            raise _UnusableError(f"{name} is missing or not of shape {shape}")
    return Saved(curve, arrays)


def _curve(told: Any) -> Curve:
    curve = [{str(name): float(value) for name, value in point.items()} for point in told]
    if not curve or not all("update" in point for point in curve):
        raise ValueError("no curve")
    return curve
