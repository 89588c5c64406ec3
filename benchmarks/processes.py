"""Measurements as processes of their own, and the memory that they and their children hold."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any


def run_worker(script: str, worker: str, *arguments: str) -> dict[str, Any]:
    """The JSON object that `script --worker worker arguments` prints last, and its memory (GiB).

    memory: the largest sum of resident memory over the process and its descendants.
    """
    command = [sys.executable, script, "--worker", worker, *arguments]
    print(f"… {worker} {' '.join(arguments)}", file=sys.stderr)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    most = 0
    while process.poll() is None:
        most = max(most, resident(process.pid))
        time.sleep(0.2)
    if process.returncode:
        raise SystemExit(f"{worker} ended with {process.returncode}")
    told = json.loads((process.stdout.read() if process.stdout else "").splitlines()[-1])
    print(f"  {told}", file=sys.stderr)
    return {**told, "memory": most / 2**30}


def resident(root: int) -> int:
    """Resident memory in bytes of a process and its descendants (shared pages once: Pss)."""
    total, waiting = 0, [root]
    while waiting:
        pid = waiting.pop()
        try:
            for task in Path(f"/proc/{pid}/task").iterdir():
                waiting += map(int, (task / "children").read_text().split())
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
        except (OSError, ValueError):
            continue
    return total
