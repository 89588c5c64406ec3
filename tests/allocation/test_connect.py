"""allocate on a Spark Connect server: no JVM and no SparkContext within reach of the client."""

import json
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def test_connect_gives_the_levels_of_solve_on_files_and_on_delta(tmp_path: Path) -> None:
    # A process of its own: a session of Spark Connect and a classic one exclude each other.
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("SPARK", "PYSPARK"))}
    paths = [str(HERE.parents[1]), str(HERE)]
    environment |= {"PYSPARK_PYTHON": sys.executable, "PYTHONPATH": os.pathsep.join(paths)}
    told = subprocess.run(
        [sys.executable, str(HERE / "connect_run.py"), str(tmp_path)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert told.returncode == 0, told.stderr[-3000:]
    answers = json.loads(told.stdout.splitlines()[-1])
    assert answers["session"].startswith("pyspark.sql.connect")
    assert len(answers["solve"]) == 600
    assert answers["files"] == answers["solve"]
    assert answers["delta"] == answers["solve"]
