"""Kept results: found again, whole or not at all."""

from pathlib import Path

import pytest

from bcrlsp.experiments import cells
from bcrlsp.experiments.cells import Cells, key_hash


def test_a_result_is_computed_once(tmp_path: Path) -> None:
    cells, calls = Cells(tmp_path), []

    def compute() -> dict[str, float]:
        calls.append(1)
        return {"share": 0.1 + 0.2, "nothing": float("nan")}

    first = cells.get("a", {"seed": 1, "users": 5}, compute)
    again = Cells(tmp_path).get("a", {"users": 5, "seed": 1}, compute)
    assert len(calls) == 1
    assert again["share"] == first["share"]
    assert again["nothing"] != again["nothing"]
    cells.get("a", {"seed": 2, "users": 5}, compute)
    assert len(calls) == 2


def test_a_failure_leaves_nothing_and_a_torn_file_is_made_again(tmp_path: Path) -> None:
    cells = Cells(tmp_path)

    def fail() -> dict[str, int]:
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        cells.get("a", {"seed": 1}, fail)
    assert list(tmp_path.iterdir()) == []
    cells.get("a", {"seed": 1}, lambda: {"x": 1})
    (file,) = tmp_path.iterdir()
    file.write_text(file.read_text()[:20])
    assert cells.get("a", {"seed": 1}, lambda: {"x": 2}) == {"x": 2}
    assert cells.get("a", {"seed": 1}, lambda: {"x": 3}) == {"x": 2}


def test_keys_of_equal_content_are_equal() -> None:
    assert key_hash({"a": 1, "b": [1, 2]}) == key_hash({"b": [1, 2], "a": 1})
    assert key_hash({"a": 1}) != key_hash({"a": 1.5})


def test_other_code_or_libraries_compute_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    key, found = {"a": 1}, set()
    for name, value in (("code_version", "other"), ("library_versions", {"torch": "0"})):
        found.add(key_hash(key))
        with monkeypatch.context() as patched:
            patched.setattr(cells, name, lambda *_, value=value: value)
            found.add(key_hash(key))
    assert len(found) == 3
