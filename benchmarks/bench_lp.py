"""The budget LP against HiGHS, OR-tools PDLP and NumPy, on one machine in one run.

    python benchmarks/bench_lp.py [--quick]

prints two Markdown tables. Every row runs in a process of its own, so that its peak memory is its
own. Values and costs: level a of 8 costs a * u1 (u1 uniform in 0.3..1 by user) and is worth
u2 + lift * (1 - exp(-a / s)) + noise, u2 uniform in 0..1, lift gamma(2, 1/2), s uniform in 0.5..4
by user, noise normal with deviation 0.02 by user and level. Budgets: a total of 0.5 a user, and for
K budgets K - 1 groups of random users with limits from 0.3 to 0.8 a user. float32.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

LEVELS = 8


def market(users: int, groups: int, seed: int = 0) -> tuple[Any, Any, Any]:
    """value, cost (n, a) float32 and group (n,) of the users of one generator."""
    rng = np.random.default_rng(seed)
    amount = np.arange(LEVELS, dtype=np.float64)
    rise = 1.0 - np.exp(-amount / rng.uniform(0.5, 4.0, (users, 1)))
    value = rng.random((users, 1)) + rng.gamma(2.0, 0.5, (users, 1)) * rise
    value += rng.normal(0.0, 0.02, (users, LEVELS))
    cost = amount * rng.uniform(0.3, 1.0, (users, 1))
    group = rng.integers(0, max(groups, 1), users)
    return value.astype(np.float32), cost.astype(np.float32), group


def limits(users: int, budgets: int) -> tuple[float, list[float]]:
    """Limit of the total and of each group."""
    groups = budgets - 1
    return 0.5 * users, [(0.3 + 0.5 * g / groups) * users / groups for g in range(groups)]


def budgets_of(users: int, budgets: int) -> list[Any]:
    from bcrlsp.allocation import Budget

    total, groups = limits(users, budgets)
    each = [Budget(f"group {g}", limit, groups=[g]) for g, limit in enumerate(groups)]
    return [Budget("total", total), *each]


def matrix(cost: Any, group: Any, budgets: int) -> Any:
    """The rows of the linear program over variables (user, level): budgets, then one a user."""
    from scipy import sparse

    users = len(cost)
    flat = cost.astype(np.float64).ravel()
    columns = np.arange(users * LEVELS)
    owner = np.repeat(np.arange(users), LEVELS)
    parts = [sparse.csr_matrix((flat, (np.zeros(len(flat), dtype=int), columns)))]
    if budgets > 1:
        shape = (budgets - 1, users * LEVELS)
        parts.append(sparse.csr_matrix((flat, (group[owner], columns)), shape=shape))
    parts.append(sparse.csr_matrix((np.ones(len(flat)), (owner, columns))))
    return sparse.vstack(parts, format="csc")


def judge(x: Any, value: Any, cost: Any, group: Any, budgets: int) -> dict[str, float]:
    """Gap to the certified bound, and the largest violation of a row, of a solution of others."""
    from bcrlsp.allocation import solve

    users = len(value)
    bound = solve(value, cost, budgets_of(users, budgets), groups=group).bound
    x = np.asarray(x).reshape(users, LEVELS)
    total, groups = limits(users, budgets)
    spent = (x * cost).sum(axis=1)
    worst = max(0.0, spent.sum() / total - 1.0)
    if budgets > 1:
        by_group = np.bincount(group, weights=spent, minlength=budgets - 1)
        worst = max(worst, float(np.max(by_group / np.array(groups) - 1.0)))
    worst = max(worst, float(np.max(np.abs(x.sum(axis=1) - 1.0))))
    return {"gap": (bound - float((x * value).sum())) / bound, "violation": worst}


def run_solve(users: int, budgets: int) -> dict[str, Any]:
    from bcrlsp.allocation import solve

    value, cost, group = market(users, budgets - 1)
    # Compiled code is cached on disk; the first call loads it.
    solve(value[:30_000], cost[:30_000], budgets_of(30_000, budgets), groups=group[:30_000])
    before = peak()
    start = time.perf_counter()
    found = solve(value, cost, budgets_of(users, budgets), groups=group)
    seconds = time.perf_counter() - start
    proof = found.certificate
    over = max(proof.spend[name] - proof.limits[name] for name in proof.limits)
    data = value.nbytes + cost.nbytes + group.nbytes
    return {
        "seconds": seconds,
        "gap": proof.lp_gap,
        "rounded": proof.gap,
        "violation": max(0.0, over),
        "passes": proof.passes,
        "bytes": data / users + max(0.0, peak() - before) * 2**20 / users,
    }


def run_highs(users: int, budgets: int) -> dict[str, Any]:
    import highspy

    value, cost, group = market(users, budgets - 1)
    rows = matrix(cost, group, budgets)
    total, groups = limits(users, budgets)
    model = highspy.HighsLp()
    model.num_row_, model.num_col_ = rows.shape
    model.col_cost_ = -value.astype(np.float64).ravel()
    model.col_lower_ = np.zeros(rows.shape[1])
    model.col_upper_ = np.full(rows.shape[1], highspy.kHighsInf)
    caps = [total, *groups]
    model.row_lower_ = np.concatenate([np.full(len(caps), -highspy.kHighsInf), np.ones(users)])
    model.row_upper_ = np.concatenate([caps, np.ones(users)])
    model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    model.a_matrix_.start_ = rows.indptr
    model.a_matrix_.index_ = rows.indices
    model.a_matrix_.value_ = rows.data
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("solver", "ipm")
    solver.setOptionValue("run_crossover", "off")
    solver.setOptionValue("threads", 2)
    start = time.perf_counter()
    solver.passModel(model)
    solver.run()
    seconds = time.perf_counter() - start
    used = peak()
    x = np.array(solver.getSolution().col_value)
    judged = judge(x, value, cost, group, budgets)
    return {"seconds": seconds, "memory": used, **judged}


def run_pdlp(users: int, budgets: int) -> dict[str, Any]:
    from ortools.pdlp import solvers_pb2
    from ortools.pdlp.python import pdlp

    value, cost, group = market(users, budgets - 1)
    rows = matrix(cost, group, budgets)
    total, groups = limits(users, budgets)
    caps = [total, *groups]
    program = pdlp.QuadraticProgram()
    program.objective_vector = -value.astype(np.float64).ravel()
    program.constraint_matrix = rows
    program.constraint_lower_bounds = np.concatenate([np.full(len(caps), -np.inf), np.ones(users)])
    program.constraint_upper_bounds = np.concatenate([caps, np.ones(users)])
    program.variable_lower_bounds = np.zeros(rows.shape[1])
    program.variable_upper_bounds = np.full(rows.shape[1], np.inf)
    how = solvers_pb2.PrimalDualHybridGradientParams()
    criteria = how.termination_criteria
    criteria.simple_optimality_criteria.eps_optimal_relative = 1e-4
    criteria.simple_optimality_criteria.eps_optimal_absolute = 1e-4
    how.num_threads = 2
    start = time.perf_counter()
    found = pdlp.primal_dual_hybrid_gradient(program, how)
    seconds = time.perf_counter() - start
    used = peak()
    judged = judge(found.primal_solution, value, cost, group, budgets)
    passes = found.solve_log.iteration_count
    return {"seconds": seconds, "memory": used, "passes": passes, **judged}


def run_numpy(users: int, budgets: int) -> dict[str, Any]:
    """One argmax pass at a given price: what any method must do once."""
    value, cost, _ = market(users, budgets - 1)
    np.argmax(value - np.float32(0.5) * cost, axis=1)
    start = time.perf_counter()
    np.argmax(value - np.float32(0.5) * cost, axis=1)
    return {"seconds": time.perf_counter() - start, "passes": 1}


def run_allocate(users: int, budgets: int) -> dict[str, Any]:
    import pyarrow as pa

    from bcrlsp.allocation import allocate
    from bcrlsp.session import Settings, get_session

    spark = get_session(Settings(master="local[2]", driver_memory="1500m"))
    parts = max(2, users // 250_000)

    def rows(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for part in batch.column(0).to_pylist():
                first, last = users * part // parts, users * (part + 1) // parts
                value, cost, group = market(last - first, budgets - 1, seed=part)
                for i in range(0, last - first, 10_000):
                    here = slice(i, i + 10_000)
                    size = len(group[here])
                    offsets = pa.array(np.arange(size + 1, dtype=np.int32) * LEVELS)
                    yield pa.record_batch(
                        [
                            pa.array([f"user-{first + i + j}" for j in range(size)]),
                            pa.ListArray.from_arrays(offsets, pa.array(value[here].ravel())),
                            pa.ListArray.from_arrays(offsets, pa.array(cost[here].ravel())),
                            pa.array(group[here]),
                        ],
                        names=["user_id", "value", "cost", "segment"],
                    )

    with tempfile.TemporaryDirectory() as folder:
        schema = "user_id string, value array<float>, cost array<float>, segment long"
        path = f"{folder}/scores"
        spark.range(0, parts, 1, parts).mapInArrow(rows, schema).write.parquet(path)
        scores = spark.read.parquet(path)
        small = allocate(
            scores.limit(30_000), budgets_of(30_000, budgets), store=folder, groups="segment"
        )
        small.decisions.write.format("noop").mode("overwrite").save()
        tracker = spark.sparkContext.statusTracker()
        jobs = len(tracker.getJobIdsForGroup())
        start = time.perf_counter()
        done = allocate(scores, budgets_of(users, budgets), store=folder, groups="segment")
        done.decisions.write.format("noop").mode("overwrite").save()
        seconds = time.perf_counter() - start
        jobs = len(tracker.getJobIdsForGroup()) - jobs
        done.release()
    proof = done.certificate
    over = max(proof.spend[name] - proof.limits[name] for name in proof.limits)
    return {
        "seconds": seconds,
        "gap": proof.lp_gap,
        "rounded": proof.gap,
        "violation": max(0.0, over),
        "passes": proof.passes,
        "jobs": jobs,
    }


def peak() -> float:
    """Largest resident memory of this process so far, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


METHODS = {
    "HiGHS interior point": run_highs,
    "PDLP at 1e-4": run_pdlp,
    "solve": run_solve,
    "allocate": run_allocate,
    "NumPy argmax": run_numpy,
}
FULL = [
    *((method, 300_000, 1) for method in ("HiGHS interior point", "PDLP at 1e-4", "solve")),
    *((method, 100_000, 21) for method in ("HiGHS interior point", "PDLP at 1e-4", "solve")),
    ("solve", 1_000_000, 1),
    ("solve", 1_000_000, 21),
    ("solve", 1_000_000, 200),
    ("NumPy argmax", 1_000_000, 1),
    *(("allocate", users * 1_000_000, 1) for users in (1, 4, 16)),
    ("allocate", 1_000_000, 21),
]
QUICK = [
    *((m, 20_000, 1) for m in ("HiGHS interior point", "PDLP at 1e-4", "solve", "allocate")),
    *((m, 10_000, 21) for m in ("HiGHS interior point", "PDLP at 1e-4", "solve")),
    ("NumPy argmax", 20_000, 1),
]


def measure(method: str, users: int, budgets: int) -> dict[str, Any]:
    """One row, in a process of its own."""
    case = json.dumps([method, users, budgets])
    told = subprocess.run(
        [sys.executable, str(Path(__file__).absolute()), "--case", case],
        capture_output=True,
        text=True,
        check=False,
    )
    if told.returncode:
        sys.stderr.write(told.stderr[-2000:])
        return {"failed": told.returncode}
    row: dict[str, Any] = json.loads(told.stdout.splitlines()[-1])
    return row


def line(method: str, users: int, budgets: int, row: dict[str, Any]) -> str:
    """A line of the table."""
    if "failed" in row:
        return f"| {method} | {users:,} | {budgets} | failed ({row['failed']}) | | | | | | | |"
    shapes = {"seconds": ".3g", "memory": ".0f", "bytes": ".0f", "passes": "d", "jobs": "d"}
    names = ("seconds", "memory", "bytes", "gap", "rounded", "violation", "passes", "jobs")
    cells = [f"{row[n]:{shapes.get(n, '.1e')}}" if row.get(n) is not None else "" for n in names]
    return f"| {method} | {users:,} | {budgets} | {' | '.join(cells)} |"


def main() -> None:
    """The table, or one case of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small instances, about a minute")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.case:
        method, users, budgets = json.loads(given.case)
        row = METHODS[method](users, budgets)
        row.setdefault("memory", peak())
        print(json.dumps(row))
        return
    print(
        "| method | users | budgets | seconds | peak MiB | bytes a user | LP gap | rounded gap | "
        "violation | passes | jobs |\n|---|---|---|---|---|---|---|---|---|---|---|"
    )
    for method, users, budgets in QUICK if given.quick else FULL:
        print(line(method, users, budgets, measure(method, users, budgets)), flush=True)


if __name__ == "__main__":
    main()
