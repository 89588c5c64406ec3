"""Compiled functions where Numba has no place for its cache."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
# 2 users with gains 3 and 2 at cost 1: one of them fits a budget of 1.
CODE = """
import numpy as np
from bcrlsp.allocation import Budget, solve
found = solve(np.array([[0, 3.0], [0, 2.0]]), np.array([[0, 1.0], [0, 1.0]]), [Budget("b", 1)])
print(found.levels.tolist())
"""


def test_a_zipped_package_without_a_home_still_solves(tmp_path: Path) -> None:
    archive = tmp_path / "bcrlsp.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for path in (ROOT / "bcrlsp").rglob("*.py"):
            packed.write(path, path.relative_to(ROOT))
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    environment |= {"PYTHONPATH": str(archive), "HOME": "/proc", "XDG_CACHE_HOME": "/proc/none"}
    result = subprocess.run(
        [sys.executable, "-c", CODE],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stdout.strip() == "[1, 0]", result.stderr
