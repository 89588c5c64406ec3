"""The check for Java: what it says when there is none, or one that Spark cannot use."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "bcrlsp" / "java.py"


def asked(home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, SCRIPT],
        env={"JAVA_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )


def java(home: Path, version: str) -> Path:
    binary = home / "bin" / "java"
    binary.parent.mkdir(parents=True)
    binary.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
    binary.chmod(0o755)
    return home


@pytest.mark.parametrize("version", ["17.0.15", "21", "21.0.1"])
def test_a_java_that_spark_can_use_is_silent(tmp_path: Path, version: str) -> None:
    told = asked(java(tmp_path, version))
    assert (told.returncode, told.stderr) == (0, "")


@pytest.mark.parametrize(("version", "said"), [("11.0.2", "version 11 was found"), (None, "none")])
def test_any_other_is_one_line(tmp_path: Path, version: str | None, said: str) -> None:
    told = asked(java(tmp_path, version) if version else tmp_path)
    assert told.returncode == 1
    assert said in told.stderr
    assert "apt-get install openjdk-17" in told.stderr
    assert told.stderr.count("\n") == 1
