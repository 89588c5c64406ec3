"""Sessions that start side by side."""

import subprocess
import sys
from pathlib import Path

_START = """
import sys, time
from bcrlsp import session
with session._alone():
    with open(sys.argv[1], "a") as log:
        print("in", file=log, flush=True)
        time.sleep(0.5)
        print("out", file=log, flush=True)
"""


def test_one_start_at_a_time_on_a_machine(tmp_path: Path) -> None:
    """Two that fill Ivy's cache together would break each other's downloads."""
    log = tmp_path / "log"
    started = [subprocess.Popen([sys.executable, "-c", _START, str(log)]) for _ in range(3)]
    assert [process.wait(60) for process in started] == [0, 0, 0]
    assert log.read_text().split() == ["in", "out"] * 3
