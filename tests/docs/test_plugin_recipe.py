"""The plugin recipe of CONTRIBUTING.md: a package of two files adds an extension of each kind."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
NAMES = """
import json
from bcrlsp.evaluation.estimators import ESTIMATORS
from bcrlsp.events.source import SOURCES
from bcrlsp.learning.algorithms import ALGORITHMS
print(json.dumps([registry.names() for registry in (ALGORITHMS, ESTIMATORS, SOURCES)]))
"""


def recipe(name: str, language: str) -> str:
    """The block of CONTRIBUTING.md whose first line is the comment `# name`."""
    (block,) = re.findall(rf"```{language}\n# {re.escape(name)}\n(.*?)```", CONTRIBUTING, re.DOTALL)
    return block


def installed(tmp_path: Path, module: str) -> Path:
    """Installs the recipe's package, with `module` as its code, into a folder of its own."""
    package, site = tmp_path / "package", tmp_path / "site"
    package.mkdir()
    (package / "pyproject.toml").write_text(recipe("pyproject.toml", "toml"))
    (package / "bcrlsp_acme.py").write_text(module)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", str(site), str(package)], check=True)
    return site


def run(site: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Runs `code` where the package of `site` is installed."""
    path = os.pathsep.join([str(site), str(ROOT)])
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_package_of_two_files_adds_one_of_each(tmp_path: Path) -> None:
    site = installed(tmp_path, recipe("bcrlsp_acme.py", "python"))
    result = run(site, NAMES)
    algorithms, estimators, sources = json.loads(result.stdout)
    assert "acme_dqn" in algorithms
    assert "dqn" in algorithms
    assert "acme_pdis" in estimators
    assert "acme_exports" in sources


@pytest.mark.parametrize(
    ("module", "cause"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
    ],
)
def test_a_broken_plugin_is_one_line_that_names_it(tmp_path: Path, module: str, cause: str) -> None:
    site = installed(tmp_path, module)
    result = run(
        site,
        "from bcrlsp.evaluation.estimators import ESTIMATORS\n"
        "from bcrlsp.errors import ConfigError\n"
        "try:\n    ESTIMATORS.names()\nexcept ConfigError as error:\n    print(error)",
    )
    assert result.stdout == (
        "the plugin bcrlsp_acme of bcrlsp-acme (entry point 'acme' of bcrlsp.estimators) cannot "
        f"be loaded: {cause}; mend or uninstall bcrlsp-acme\n"
    )
