"""One small market, taken through every command once, for all tests of commands."""

import contextlib
import io
import json
import runpy
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

JOBS = Path(__file__).parents[2] / "jobs"
FIRST, SPLIT, END = "2025-01-06", "2025-01-19", "2025-01-22"


class Bench:
    """Runs the scripts in jobs/ in this process, on a folder of its own."""

    def __init__(self, folder: Path, capture: Callable[[], str]) -> None:
        self.folder = folder
        self._capture = capture
        self.config = folder / "test.yaml"
        self.config.write_text(
            f"lake: {{root: {folder}/lake}}\n"
            f"artifacts: {folder}/artifacts\n"
            "training: {updates: 150, iteration: 50, hidden: [32], threads: 1}\n"
            "market: {newcomers: 0.05}\n"
        )

    def run(self, name: str, *arguments: str) -> dict[str, Any]:
        """What the job prints as JSON; fails the test when it does not end well."""
        code, out = self.end(name, *arguments, "--json")
        assert code == 0, out
        told: dict[str, Any] = json.loads(out.splitlines()[-1])
        return told

    def end(self, name: str, *arguments: str) -> tuple[int, str]:
        """Exit code and stdout of the job."""
        before = sys.argv
        sys.argv = [name, *arguments, "--config", str(self.config)]
        self._capture()
        try:
            runpy.run_path(str(JOBS / f"{name}.py"), run_name="__main__")
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        finally:
            sys.argv = before
        return code, self._capture()


@pytest.fixture(scope="session")
def told(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What each command said, in the pipeline's order; key "bench" runs more."""
    stream = io.StringIO()

    def capture() -> str:
        text = stream.getvalue()
        stream.seek(0)
        stream.truncate()
        return text

    bench = Bench(tmp_path_factory.mktemp("pipeline"), capture)
    with contextlib.redirect_stdout(stream):
        said: dict[str, Any] = {
            "bench": bench,
            "simulate": bench.run("simulate", "--users", "600", "--periods", "16", "--seed", "5"),
            "trajectories": bench.run("trajectories", "--from", FIRST, "--to", END),
            "train": bench.run("train", "--as-of", SPLIT),
        }
        policy = said["train"]["policy_id"]
        said["evaluate"] = bench.run("evaluate", "--policy", policy)
        said["allocate"] = bench.run("allocate", "--period", END, "--budget", "200")
        said["report"] = bench.run("report", "--period", END)
    return said


@pytest.fixture(scope="module")
def copied(told: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a lake of its own, for a module whose tests add events to it."""
    folder = tmp_path_factory.mktemp("copied")
    shutil.copytree(told["bench"].folder / "lake", folder / "lake")
    return folder


@pytest.fixture
def bench(told: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> Bench:
    """The same folder, for further commands of one test."""
    return Bench(told["bench"].folder, lambda: capsys.readouterr().out)
