"""Results kept one file each, so that a run goes on where the last one stopped."""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bcrlsp.code_version import code_version, library_versions

# A result answers for the settings and the code that it was computed with: after a change of these
# packages it is computed again.
_CODE = (
    *("allocation", "evaluation", "experiments", "features", "learning", "market"),
    *("policies", "arrays", "periods"),
)
_LIBRARIES = ("numpy", "torch", "ray", "scipy", "numba")


class Cells:
    """A folder of results.

    Each file is named after its content's key, and holds key and result as JSON. It is complete or
    absent: it is written beside its place and moved there. computed: results that were not there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.computed = 0

    def get(
        self, label: str, key: Mapping[str, Any], compute: Callable[[], dict[str, Any]]
    ) -> dict[str, Any]:
        """The result under a key: read, or computed and written.

        label: the beginning of the file's name, for people. key, result: JSON types only.
        """
        path = self._folder / f"{label}-{key_hash(key)}.json"
        held = _read(path)
        if held is not None:
            return held
        result = compute()
        self.computed += 1
        self._folder.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(f".{os.getpid()}.tmp")
        beside.write_text(json.dumps({"key": key, "result": result}, indent=1), encoding="utf-8")
        beside.replace(path)
        return result


def key_hash(key: Mapping[str, Any]) -> str:
    """A short name for a key and this code: equal keys, whatever their order, have the same."""
    text = json.dumps([code_version(*_CODE), library_versions(*_LIBRARIES), key], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _read(path: Path) -> dict[str, Any] | None:
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        result: dict[str, Any] = held["result"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return result
