"""What a training run is known by: a digest of everything that decides its result.

The content of every array of the transitions, the names of the features, amounts, settings,
options, seed, and the code: the sources of what learns and the versions of the libraries below it.
Change one of them, and it is another run: its checkpoints and its policy's id are others.
"""

import hashlib
import inspect
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bcrlsp.code_version import code_version, library_versions
from bcrlsp.learning.algorithms import ALGORITHMS
from bcrlsp.learning.task import Task
from bcrlsp.learning.transitions import Transitions
from bcrlsp.policies import weights_digest

_CODE = ("learning", "policies", "features", "arrays", "registry")
_LIBRARIES = ("numpy", "torch", "ray", "scipy", "numba")
# Bytes that are hashed at a time: of states in a file, no more is in memory.
_CHUNK = 2**24


def run_identity(task: Task) -> str:
    """SHA-256, in hexadecimal, of all that decides a run's result."""
    said = {
        "transitions": transitions_digest(task.transitions),
        "features": [task.feature_set, list(task.feature_names)],
        "amounts": list(task.amounts),
        "settings": task.settings.model_dump(mode="json"),
        "options": task.options.model_dump(mode="json"),
        "seed": task.seed,
        "code": code_version(*_CODE),
        "algorithm": _source(task.settings.algorithm),
        "libraries": library_versions(*_LIBRARIES),
    }
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def policy_id(task: Task, weights: dict[str, NDArray[np.float32]]) -> str:
    """The algorithm's name and a digest of the run and of what it came to.

    The same run on another machine may end in other weights, by rounding: that is another policy.
    """
    said = task.identity + weights_digest(weights)
    return f"{task.settings.algorithm}-{hashlib.sha256(said.encode()).hexdigest()[:12]}"


def transitions_digest(transitions: Transitions) -> str:
    """SHA-256 of every array's name, type, shape and content; in memory or in a file alike.

    Rows count in their order: users in another order are split otherwise between training and
    held-out rows, and are another run.
    """
    digest = hashlib.sha256()
    for each in fields(transitions):
        held = getattr(transitions, each.name)
        digest.update(f"{each.name}\0".encode())
        if isinstance(held, np.ndarray):
            _update(digest, held)
        else:
            digest.update(repr(held).encode())
    return digest.hexdigest()


def _update(digest: Any, array: NDArray[Any]) -> None:
    digest.update(f"{array.dtype.str}{array.shape}\0".encode())
    rows = max(1, _CHUNK // max(1, array.nbytes // max(1, len(array))))
    for start in range(0, len(array), rows):
        digest.update(np.ascontiguousarray(array[start : start + rows]).data)


def _source(name: str) -> str:
    """A digest of the file that an algorithm is written in: it may be outside the package."""
    try:
        path = inspect.getsourcefile(type(ALGORITHMS.get(name)))
        content = Path(path or "").read_bytes()
    except (TypeError, OSError):
        return ""
    return hashlib.sha256(content).hexdigest()
