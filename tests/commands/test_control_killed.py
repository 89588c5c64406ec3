"""The control loop killed by the system while it writes: no request twice, none lost."""

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
from conftest import END, Bench
from pyspark.sql import SparkSession
from test_control import QUICK, START, add, asked, sums

from bcrlsp.control.stream.tables import Tables
from bcrlsp.periods import Settings as Period
from bcrlsp.tables import Lake
from bcrlsp.tables import Settings as LakeSettings


@pytest.mark.long
def test_killed_while_it_writes(
    copied: Path, spark: SparkSession, capsys: pytest.CaptureFixture[str]
) -> None:
    """SIGKILL to driver and JVM as soon as new decisions lie there; then the same command again."""
    bench = Bench(copied, lambda: capsys.readouterr().out)
    lake = Lake(spark, LakeSettings(root=str(copied / "lake")))
    Tables(lake, Period().calendar(), "", 0.01).create()
    add(lake, "control_budgets", [{"name": "total", "from_ts": START, "amount": 500.0}])
    before = {row["request_id"] for row in lake.read("decisions").collect()}
    wanted = set()
    for number in range(5):
        wanted |= set(asked(lake, 5000 + 100 * number, 40, timedelta(hours=13)))
    table = Path(lake.location("decisions"))
    files = set(table.rglob("*.parquet"))
    command = [
        sys.executable, "-m", "bcrlsp", "control", "--period", END, "--drain", "--config",
        str(bench.config), "--set", "spark.driver_memory=1g", "--set", "control.files_a_batch=1",
        *QUICK,
    ]  # fmt: skip
    run = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    while run.poll() is None and not set(table.rglob("*.parquet")) - files:
        time.sleep(0.02)
    assert run.poll() is None, "it ended before it wrote"
    os.killpg(run.pid, signal.SIGKILL)
    assert run.wait() == -signal.SIGKILL
    bench.run("control", "--period", END, "--drain", *QUICK)
    rows = [row["request_id"] for row in lake.read("decisions").collect()]
    assert len(rows) == len(set(rows))
    assert set(rows) == wanted | before
    decided, kept = sums(lake)
    assert decided == kept
    assert decided["total"] <= 50000
