"""What bench_lp.py measures: each function is one row of its table, in a process of its own."""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from lp_market import LEVELS, budgets_of, judge, limits, market, matrix

Row = dict[str, Any]
REPEATS = 5
_WARM_UP = 30_000
_USERS_PER_FILE = 250_000


def run_solve(users: int, budgets: int, start: str = "sample") -> Row:
    """start: where prices begin: "sample", "yesterday" (those of other users), "nothing"."""
    from bcrlsp.allocation import solve

    warm: dict[str, float] | None = {} if start == "nothing" else None
    if start == "yesterday":
        value, cost, group = market(users, budgets, seed=1)
        warm = solve(value, cost, budgets_of(users, budgets), groups=group).prices
    value, cost, group = market(users, budgets)
    # Compiled code is cached on disk; the first call loads it.
    few = slice(0, _WARM_UP)
    solve(value[few], cost[few], budgets_of(_WARM_UP, budgets), groups=group[few])
    asked, seconds = budgets_of(users, budgets), []
    resident = forget_peak()
    for _ in range(REPEATS):
        begun = time.perf_counter()
        found = solve(value, cost, asked, groups=group, warm_start=warm)
        seconds.append(time.perf_counter() - begun)
    return {
        "seconds": statistics.median(seconds),
        **proved(found.certificate),
        "beyond": (peak() - resident) * 2**20 / users,
    }


def run_highs(users: int, budgets: int) -> Row:
    import highspy

    value, cost, group = market(users, budgets)
    rows, caps = matrix(cost, group, budgets), limits(users, budgets)
    model = highspy.HighsLp()
    model.num_row_, model.num_col_ = rows.shape
    model.col_cost_ = -value.astype(np.float64).ravel()
    model.col_lower_ = np.zeros(rows.shape[1])
    model.col_upper_ = np.full(rows.shape[1], highspy.kHighsInf)
    model.row_lower_ = np.concatenate([np.full(len(caps), -highspy.kHighsInf), np.ones(users)])
    model.row_upper_ = np.concatenate([caps, np.ones(users)])
    model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    model.a_matrix_.start_ = rows.indptr
    model.a_matrix_.index_ = rows.indices
    model.a_matrix_.value_ = rows.data
    solver = highspy.Highs()
    options = {"output_flag": False, "solver": "ipm", "run_crossover": "off", "threads": 2}
    for name, option in options.items():
        solver.setOptionValue(name, option)
    begun = time.perf_counter()
    solver.passModel(model)
    solver.run()
    seconds, used = time.perf_counter() - begun, peak()
    x = np.array(solver.getSolution().col_value)
    return {"seconds": seconds, "memory": used, **judge(x, value, cost, group, budgets)}


def run_pdlp(users: int, budgets: int) -> Row:
    from ortools.pdlp import solvers_pb2
    from ortools.pdlp.python import pdlp

    value, cost, group = market(users, budgets)
    rows, caps = matrix(cost, group, budgets), limits(users, budgets)
    program = pdlp.QuadraticProgram()
    program.objective_vector = -value.astype(np.float64).ravel()
    program.constraint_matrix = rows
    program.constraint_lower_bounds = np.concatenate([np.full(len(caps), -np.inf), np.ones(users)])
    program.constraint_upper_bounds = np.concatenate([caps, np.ones(users)])
    program.variable_lower_bounds = np.zeros(rows.shape[1])
    program.variable_upper_bounds = np.full(rows.shape[1], np.inf)
    how = solvers_pb2.PrimalDualHybridGradientParams()
    criteria = how.termination_criteria.simple_optimality_criteria
    criteria.eps_optimal_relative = criteria.eps_optimal_absolute = 1e-4
    how.num_threads = 2
    begun = time.perf_counter()
    found = pdlp.primal_dual_hybrid_gradient(program, how)
    seconds, used = time.perf_counter() - begun, peak()
    judged = judge(found.primal_solution, value, cost, group, budgets)
    return {
        "seconds": seconds,
        "memory": used,
        "passes": found.solve_log.iteration_count,
        **judged,
    }


def run_numpy(users: int, budgets: int) -> Row:
    """One argmax pass at a given price: what any method must do once."""
    value, cost, _ = market(users, budgets)
    seconds = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        np.argmax(value - np.float32(0.5) * cost, axis=1)
        seconds.append(time.perf_counter() - begun)
    return {"seconds": statistics.median(seconds), "passes": 1}


def run_allocate(users: int, budgets: int) -> Row:
    """Scores lie in Parquet files; the decisions are computed, and written nowhere."""
    from bcrlsp.allocation import allocate
    from bcrlsp.session import Settings, get_session

    spark = get_session(Settings(master="local[2]", driver_memory="1500m"))
    jvm = spark.sparkContext._gateway.proc.pid
    tracker = spark.sparkContext.statusTracker()
    asked = budgets_of(users, budgets)
    with tempfile.TemporaryDirectory() as folder:
        scores = write_scores(spark, f"{folder}/scores", users, budgets)
        small = allocate(
            scores.limit(_WARM_UP), budgets_of(_WARM_UP, budgets), store=folder, groups="segment"
        )
        small.decisions.write.format("noop").mode("overwrite").save()
        small.release()
        seconds = []
        forget_peak()
        for _ in range(3 if users <= 1_000_000 else 1):
            jobs = len(tracker.getJobIdsForGroup())
            begun = time.perf_counter()
            done = allocate(scores, asked, store=folder, groups="segment")
            done.decisions.write.format("noop").mode("overwrite").save()
            seconds.append(time.perf_counter() - begun)
            jobs = len(tracker.getJobIdsForGroup()) - jobs
            done.release()
        driver, heap = peak(), peak(jvm)
    spark.stop()
    return {
        "seconds": statistics.median(seconds),
        **proved(done.certificate),
        "jobs": jobs,
        "memory": driver,
        "jvm": heap,
    }


def write_scores(spark: Any, path: str, users: int, budgets: int) -> Any:
    """The scores of `users` users in Parquet files, and a DataFrame that reads them."""
    import pyarrow as pa

    parts = max(2, users // _USERS_PER_FILE)

    def rows(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for part in batch.column(0).to_pylist():
                first, last = users * part // parts, users * (part + 1) // parts
                value, cost, group = market(last - first, budgets, seed=part)
                for i in range(0, last - first, 10_000):
                    here = slice(i, min(i + 10_000, last - first))
                    size = here.stop - i
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

    schema = "user_id string, value array<float>, cost array<float>, segment long"
    spark.range(0, parts, 1, parts).mapInArrow(rows, schema).write.parquet(path)
    return spark.read.parquet(path)


def proved(proof: Any) -> Row:
    """What a certificate says; violation: the most that a budget is passed by, of its limit."""
    over = [proof.spend[name] / limit - 1.0 for name, limit in proof.limits.items()]
    return {
        "gap": proof.lp_gap,
        "rounded": proof.gap,
        "violation": max(0.0, *over),
        "passes": proof.passes,
    }


def forget_peak() -> float:
    """Lets `peak` start anew; MiB that are resident now."""
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def peak(process: int | str = "self") -> float:
    """Largest resident memory of a process since its start or `forget_peak`, MiB."""
    return _status("VmHWM", process)


def _status(name: str, process: int | str = "self") -> float:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))


METHODS: dict[str, Callable[[int, int], Row]] = {
    "HiGHS interior point": run_highs,
    "PDLP at 1e-4": run_pdlp,
    "solve": run_solve,
    "solve from yesterday's prices": lambda n, k: run_solve(n, k, "yesterday"),
    "solve from no prices": lambda n, k: run_solve(n, k, "nothing"),
    "allocate": run_allocate,
    "NumPy argmax": run_numpy,
}
