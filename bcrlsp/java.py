"""Which Java Spark would start, and one line on what to install when it cannot.

Standard library only, and runnable as a script: the Makefile asks it before anything is installed.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

_VERSIONS = (17, 21)


def java_version() -> int | None:
    """Major version of the Java that Spark would start (JAVA_HOME, then PATH), None if absent."""
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    if not java:
        return None
    try:
        told = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    except OSError:
        return None
    found = re.search(r'version "(\d+)', told.stderr)
    return int(found[1]) if found else None


def java_problem() -> str | None:
    """One line on what is wrong and what to install; None where Spark can start."""
    found = java_version()
    if found in _VERSIONS:
        return None
    there = "none was found" if found is None else f"version {found} was found"
    return (
        f"Spark needs Java 17 or 21 and {there}; install one "
        "(Debian, Ubuntu: apt-get install openjdk-17-jre-headless) or point JAVA_HOME at it"
    )


if __name__ == "__main__":
    sys.exit(java_problem())
