"""Ingestion on a Spark Connect server of another zone and without ANSI mode: the same rows."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.long
def test_connect_ingests_the_same_rows(tmp_path: Path) -> None:
    # A process of its own: a session of Spark Connect and a classic one exclude each other.
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("SPARK", "PYSPARK"))}
    environment |= {"PYSPARK_PYTHON": sys.executable, "PYTHONPATH": str(HERE.parents[1])}
    told = subprocess.run(
        [sys.executable, str(HERE / "ingest_connect_run.py"), str(tmp_path)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert told.returncode == 0, told.stderr[-3000:]
    answers = json.loads(told.stdout.splitlines()[-1])
    assert answers["session"].startswith("pyspark.sql.connect")
    first = {"users": 2, "activity": 1, "bonuses": 2, "redemptions": 1}
    assert answers["written"] == [first, dict.fromkeys(first, 0)]
    assert answers["reasons"] == [
        "amount cannot be computed", "bonus_id is unknown", "event_ts cannot be computed",
    ]  # fmt: skip
    assert answers["activity"] == [1736157600]
    assert answers["sent"] == [1736121600, 1736208000]  # 2025-01-06 and 07, 00:00 UTC
