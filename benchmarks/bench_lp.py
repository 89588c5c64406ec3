"""The budget LP against HiGHS, OR-tools PDLP and NumPy.

    python benchmarks/bench_lp.py [--quick] [--only METHOD:USERS:BUDGETS ...] [--results FILE]

Every row runs in a process of its own, so that its peak memory is its own; what it found goes into
the results file, and the next call goes on from there. When all rows are there, the section
"Budget LP" of docs/benchmarks.md is written. Users and budgets: lp_market.py; methods:
lp_methods.py.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from lp_methods import METHODS, REPEATS, peak
from page import machine, write_section

Case = tuple[str, int, int]
Row = dict[str, Any]

RIVALS = ("HiGHS interior point", "PDLP at 1e-4")
STARTS = ("solve from yesterday's prices", "solve from no prices")
FULL: list[Case] = [
    *((method, 300_000, 1) for method in (*RIVALS, "solve")),
    *((method, 100_000, 21) for method in (*RIVALS, "solve")),
    *(("solve", 1_000_000, budgets) for budgets in (1, 21, 200)),
    *((method, 1_000_000, budgets) for budgets in (21, 200) for method in STARTS),
    ("NumPy argmax", 1_000_000, 1),
    *(("allocate", users * 1_000_000, 1) for users in (1, 4, 16)),
    ("allocate", 1_000_000, 21),
]
QUICK: list[Case] = [
    *((method, 20_000, 1) for method in (*RIVALS, "solve", "NumPy argmax", "allocate")),
    *((method, 10_000, 21) for method in (*RIVALS, "solve", *STARTS)),
]
COLUMNS = {
    "seconds": ("seconds", ".3g"),
    "memory": ("peak MiB", ".0f"),
    "jvm": ("JVM MiB", ".0f"),
    "beyond": ("bytes a user beyond the input", ".0f"),
    "gap": ("LP gap", ".1e"),
    "rounded": ("gap", ".1e"),
    "violation": ("violation", ".1e"),
    "passes": ("passes", "d"),
    "jobs": ("jobs", "d"),
}


def measure(case: Case) -> Row:
    """One row, in a process of its own."""
    told = subprocess.run(
        [sys.executable, str(Path(__file__).absolute()), "--case", json.dumps(case)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, str(Path(__file__).parent)])},
        capture_output=True,
        text=True,
        check=False,
    )
    if told.returncode:
        sys.exit(f"{case}: ended with {told.returncode}\n{told.stderr[-2000:]}")
    row: Row = json.loads(told.stdout.splitlines()[-1])
    return row


def table(rows: dict[Case, Row]) -> str:
    """The Markdown table of some rows."""
    names = ["method", "users", "budgets", *(title for title, _ in COLUMNS.values())]
    lines = [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
    for (method, users, budgets), row in rows.items():
        cells = [f"{row[n]:{form}}" if n in row else "" for n, (_, form) in COLUMNS.items()]
        lines.append(f"| {' | '.join([method, f'{users:,}', str(budgets), *cells])} |")
    return "\n".join(lines)


def aims(rows: dict[Case, Row]) -> str:
    """What was aimed at and what was measured, from the rows of the full benchmark."""
    highs, pdlp = RIVALS

    def of(method: str, users: int, budgets: int, what: str = "seconds") -> float:
        return float(rows[method, users, budgets][what])

    small, grouped = (300_000, 1), (100_000, 21)
    one, four, sixteen = (of("allocate", users * 1_000_000, 1) for users in (1, 4, 16))
    jobs = {of("allocate", users * 1_000_000, 1, "jobs") for users in (1, 4, 16)}
    drivers = [of("allocate", users * 1_000_000, 1, "memory") for users in (1, 4, 16)]
    heaps = [of("allocate", users * 1_000_000, 1, "jvm") for users in (1, 4, 16)]
    scan = of("NumPy argmax", 1_000_000, 1)
    checks = [
        ("1 budget, 300,000 users: times as fast as HiGHS", "at least 300",
         of(highs, *small) / of("solve", *small), ".0f", lambda x: x >= 300),
        ("the same: LP gap", "at most 1e-9", of("solve", *small, "gap"), ".1e",
         lambda x: x <= 1e-9),
        ("21 budgets, 100,000 users: times as fast as HiGHS", "at least 60",
         of(highs, *grouped) / of("solve", *grouped), ".0f", lambda x: x >= 60),
        ("the same: times as fast as PDLP", "at least 60",
         of(pdlp, *grouped) / of("solve", *grouped), ".0f", lambda x: x >= 60),
        ("the same: gap of the whole levels", "at most 1e-6",
         of("solve", *grouped, "rounded"), ".1e", lambda x: x <= 1e-6),
        ("200 budgets, 1 million users: gap of the whole levels", "at most 1e-5",
         of("solve", 1_000_000, 200, "rounded"), ".1e", lambda x: x <= 1e-5),
        ("the same: bytes a user beyond the input", "at most 200",
         of("solve", 1_000_000, 200, "beyond"), ".0f", lambda x: x <= 200),
        ("the same: seconds", "stated", of("solve", 1_000_000, 200), ".2f", lambda x: True),
        ("allocate, 1 to 4 million users: time over linear", "at most 1.2",
         four / (4 * one), ".2f", lambda x: x <= 1.2),
        ("allocate, 4 to 16 million users: time over linear", "at most 1.2",
         sixteen / (4 * four), ".2f", lambda x: x <= 1.2),
        ("the driver's Python at 16 million users, as a multiple of it at 1 million", "at most 1.1",
         drivers[2] / drivers[0], ".2f", lambda x: x <= 1.1),
        ("the driver's JVM (heap 1500 MiB), the same", "at most 1.1", heaps[2] / heaps[0], ".2f",
         lambda x: x <= 1.1),
        ("allocate, 1 budget: most jobs over the data", "at most 4, at every size", max(jobs), "g",
         lambda x: x <= 4 and len(jobs) == 1),
        ("allocate, 1 million users: times a NumPy argmax pass", "at most 25", one / scan, ".1f",
         lambda x: x <= 25),
    ]  # fmt: skip
    lines = ["| what | aim | measured | met |", "|---|---|---|---|"]
    for what, aim, found, form, met in checks:
        lines.append(f"| {what} | {aim} | {found:{form}} | {'yes' if met(found) else 'no'} |")
    return "\n".join(lines)


def page(rows: dict[Case, Row]) -> str:
    """The section of docs/benchmarks.md."""
    return f"""## Budget LP

`make bench-lp` on {machine()}: two threads for every method, each row a process of its own,
`solve` and NumPy the median of {REPEATS} runs, the others one run (`allocate` at 1 million users:
the median of 3). With `--results` the rows may come from several calls.
Users and budgets: `benchmarks/lp_market.py`. PDLP stops at tolerances of
1e-4, HiGHS runs without crossover. `allocate` reads Parquet on local Spark, block-building and
decisions included; its memory is the driver's Python.

{table(rows)}

LP gap: of the linear program's solution to the certified bound (HiGHS and PDLP: to that of
`solve`; below 0 where limits are passed). Gap: of the whole levels to that bound. Violation: the
most that a budget is passed by, relative to its limit, or that a user's parts are off 1.
Yesterday's prices: the optimal prices of other users of the same market.

{aims(rows)}
"""


def main() -> None:
    """Measures what is not in the results yet, prints the table and writes the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small: shows that it works")
    parser.add_argument("--only", nargs="+", help="rows to measure anew, METHOD:USERS:BUDGETS")
    parser.add_argument("--results", help="file to go on from (default: measure all)")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.case:
        method, users, budgets = json.loads(given.case)
        row = METHODS[method](users, budgets)
        print(json.dumps({"memory": peak()} | row))
        return
    file = Path(given.results) if given.results else None
    rows: dict[Case, Row] = {}
    if file and file.exists():
        rows = {tuple(case): row for case, row in json.loads(file.read_text())}
    wanted = QUICK if given.quick else FULL
    anew = [(m, int(n), int(k)) for m, n, k in (only.split(":") for only in given.only or [])]
    for case in anew or [case for case in wanted if case not in rows]:
        rows[case] = measure(case)
        print(table({case: rows[case]}).splitlines()[-1], flush=True)
        if file:
            file.write_text(json.dumps(list(rows.items())))
    present = {case: rows[case] for case in wanted if case in rows}
    print(table(present))
    if not given.quick and len(present) == len(FULL):
        write_section("Budget LP", page(present))
        print(aims(present))


if __name__ == "__main__":
    main()
