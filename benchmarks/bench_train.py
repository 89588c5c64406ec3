"""The learner against a plain torch loop and d3rlpy's DiscreteCQL: same data, net and batch.

    python benchmarks/bench_train.py [--quick] [--rows 5e6] [--threads 2] [--folder DIR]

Conservative Q-learning, network 24-256-256-8, batches of 1,024, float32, on random transitions of
users with 20 periods each, read from one Delta table. Every contender is a process of its own;
d3rlpy, which pins another gymnasium, has an environment of its own, made on first use, that borrows
torch from this one. The contenders take turns, a round each, so that whatever else the machine does
meets all of them; throughput is the median of a contender's rounds after one that is not counted,
CPU time beside it. Prints Markdown and, unless --quick, puts it into docs/benchmarks.md.
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import d3rlpy_environment
import numpy as np
from page import machine, write_section

FEATURES, LEVELS, HIDDEN, BATCH, PERIODS = 24, 8, (256, 256), 1024, 20
GAMMA, RATE, ALPHA, TARGET_RATE, ROUNDS = 0.8, 3e-4, 0.01, 0.005, 9
NAMES = [f"f{index}" for index in range(FEATURES)]

Started = tuple[Callable[[], object], dict[str, float]]
"""A round of `updates` updates, and figures of the start."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small: shows that it works")
    parser.add_argument("--rows", type=float, help="transitions in the table")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="threads of torch")
    parser.add_argument("--folder", help="where the table goes (default: a temporary folder)")
    parser.add_argument("--worker", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        name, place, updates, threads = arguments.worker
        serve(name, place, int(updates), int(threads))
        return
    rows = int(arguments.rows or (100_000 if arguments.quick else 5_000_000))
    updates = 50 if arguments.quick else 200
    with tempfile.TemporaryDirectory() as temporary:
        place = str(Path(arguments.folder or temporary) / f"transitions-{rows}")
        if not Path(place).exists():
            write(place, rows)
        found = measured(place, updates, arguments.threads)
    markdown = section(rows, arguments.threads, found)
    print(markdown)
    if not arguments.quick:
        write_section("Training speed", markdown)


def write(place: str, rows: int) -> None:
    """The table, one period a file, users in random order."""
    import pyarrow as pa
    from deltalake import write_deltalake

    users = rows // PERIODS
    ids = np.array([f"user-{user:08d}" for user in range(users)])
    rng = np.random.default_rng(0)
    for period in range(PERIODS):
        states = rng.standard_normal((users, FEATURES), dtype=np.float32)
        offsets = pa.array(np.arange(0, users * FEATURES + 1, FEATURES, dtype=np.int32))
        table = pa.table(
            {
                "user_id": ids[rng.permutation(users)],
                "period": pa.array([date(2025, 1, 1) + timedelta(days=period)] * users),
                "step": pa.array(np.full(users, period, np.int32)),
                "state": pa.ListArray.from_arrays(offsets, pa.array(states.reshape(-1))),
                "level": pa.array(rng.integers(0, LEVELS, users).astype(np.int32)),
                "reward": rng.integers(0, 2, users).astype(np.float64),
                "cost": rng.random(users),
                "propensity": np.full(users, 1 / LEVELS),
                "terminal": np.zeros(users, bool),
            }
        )
        write_deltalake(place, table, mode="append", partition_by=["period"])


def measured(place: str, updates: int, threads: int) -> dict[str, dict[str, float]]:
    """What each contender told of its start, its transitions a second and CPU ms an update."""
    with ExitStack() as stack:
        contenders = {
            name: stack.enter_context(Contender(name, place, updates, threads))
            for name in CONTENDERS
        }
        starts = {name: each.told() for name, each in contenders.items()}
        rounds: dict[str, list[dict[str, float]]] = {name: [] for name in contenders}
        for _ in range(ROUNDS):
            for name, each in contenders.items():
                rounds[name].append(each.round())
    found = {}
    for name, each in rounds.items():
        wall, cpu = (statistics.median(one[key] for one in each) for key in ("wall", "cpu"))
        rates = {"rate": updates * BATCH / wall, "cpu": 1000 * cpu / updates}
        found[name] = starts[name] | rates
    return found


class Contender:
    """A contender's process: `told` is what it prints of its start, `round` a round's seconds.

    It is started, and its first round over, before the next one begins.
    """

    def __init__(self, name: str, place: str, updates: int, threads: int) -> None:
        interpreter = d3rlpy_environment.python() if name == "d3rlpy" else sys.executable
        print(f"starting {name}", file=sys.stderr)
        self._name = name
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed in __exit__
        self._process = subprocess.Popen(
            [interpreter, __file__, "--worker", name, place, str(updates), str(threads)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True,
            env=os.environ | {"OMP_NUM_THREADS": str(threads)},
        )  # fmt: skip
        self._told = self._line()

    def told(self) -> dict[str, float]:
        return self._told

    def round(self) -> dict[str, float]:
        if self._process.stdin:
            print("round", file=self._process.stdin, flush=True)
        return self._line()

    def _line(self) -> dict[str, float]:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            self._errors.seek(0)
            sys.exit(f"{self._name} ended early:\n{self._errors.read()[-2000:]}")
        return dict(json.loads(line))

    def __enter__(self) -> "Contender":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()
        self._errors.close()


def serve(name: str, place: str, updates: int, threads: int) -> None:
    """A contender's side: starts, makes one round, then one for each line that it is sent."""
    with quiet():
        call, told = CONTENDERS[name](place, updates, threads)
        call()
    print(json.dumps(told), flush=True)
    for _ in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        with quiet():
            call()
        took = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
        print(json.dumps(took), flush=True)


class Memory:
    """Largest memory of the process's own since it was made, in bytes, beyond what there was then.

    Resident and anonymous: without the code of libraries, which is mapped from their files.
    """

    def __init__(self) -> None:
        self._start = self._now()
        self.peak = 0
        self._watching = True
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        self._watching = False
        self._thread.join()
        return self.peak

    def _watch(self) -> None:
        while self._watching:
            self.peak = max(self.peak, self._now() - self._start)
            time.sleep(0.01)

    @staticmethod
    def _now() -> int:
        status = Path("/proc/self/status").read_text()
        return 1024 * int(status.split("RssAnon:")[1].split()[0])


@contextmanager
def quiet() -> Any:
    """What is printed goes to stderr: stdout is for figures."""
    kept, sys.stdout = sys.stdout, sys.stderr
    try:
        yield
    finally:
        sys.stdout = kept


def ours(place: str, updates: int, threads: int) -> Started:
    """This package: from the Delta table to updates through RLlib."""
    import deltalake
    import torch

    from bcrlsp.learning import Settings
    from bcrlsp.learning.algorithms import ALGORITHMS
    from bcrlsp.learning.batches import split
    from bcrlsp.learning.reading import from_delta
    from bcrlsp.learning.rllib.algorithm import OfflineConfig
    from bcrlsp.learning.rllib.learner import Held
    from bcrlsp.policies import NetworkSpec

    version = deltalake.DeltaTable(place).version()
    settings = Settings(
        updates=updates * (ROUNDS + 2), iteration=updates, hidden=HIDDEN, head="plain",
        batch_size=BATCH, gamma=GAMMA, learning_rate=RATE, target_rate=TARGET_RATE, holdout=0,
    )  # fmt: skip
    algorithm = ALGORITHMS.get("cql")
    options = algorithm.options(alpha=ALPHA)
    torch.set_num_threads(threads)
    memory, start = Memory(), time.perf_counter()
    transitions = from_delta(place, version, feature_names=NAMES)
    read = time.perf_counter() - start
    parts = split(transitions, 0.0, 0)
    peak = memory.stop()
    heads = algorithm.heads(tuple(map(float, range(LEVELS))), settings, options)
    config = OfflineConfig().offline(
        algorithm=algorithm, options=options, settings=settings, split=parts, seed=0,
        spec=NetworkSpec(inputs=FEATURES, hidden=HIDDEN, heads=heads),
    )  # fmt: skip
    trainer = config.build_algo()
    torch.set_num_threads(threads)
    trainer.hold(Held(transitions, parts, 1.0))
    trainer.learner_group.foreach_learner(lambda learner: learner.update_many(1))
    first = time.perf_counter() - start
    states = transitions.states.nbytes
    told = {"read": read, "first": first, "memory": peak / states, "states": states}
    return trainer.train, told


def arrays(place: str) -> Any:
    """The transitions for the others; their own reading is not measured."""
    import deltalake

    from bcrlsp.learning.reading import from_delta

    return from_delta(place, deltalake.DeltaTable(place).version())


def plain(place: str, updates: int, threads: int) -> Started:
    """The same loss in a bare torch loop: no cost head, no metrics, no clipping."""
    import torch
    from torch import nn

    torch.set_num_threads(threads)
    held = arrays(place)
    states, rewards = torch.from_numpy(held.states), torch.from_numpy(held.rewards)
    levels = torch.from_numpy(held.levels.astype(np.int64))
    usable = torch.from_numpy(np.flatnonzero(held.usable))

    def network() -> nn.Sequential:
        widths = (FEATURES, *HIDDEN, LEVELS)
        layers = [
            layer for pair in itertools.pairwise(widths) for layer in (nn.Linear(*pair), nn.ReLU())
        ]
        return nn.Sequential(*layers[:-1])

    values, target = network(), network()
    target.load_state_dict(values.state_dict())
    optimizer = torch.optim.Adam(values.parameters(), lr=RATE)

    def update() -> None:
        rows = usable[torch.randint(len(usable), (BATCH,))]
        now, ahead, level = states[rows], states[rows + 1], levels[rows, None]
        with torch.no_grad():
            best = values(ahead).argmax(1, keepdim=True)
            goal = rewards[rows] + GAMMA * target(ahead).gather(1, best)[:, 0]
        found = values(now)
        chosen = found.gather(1, level)[:, 0]
        gap = (torch.logsumexp(found, 1) - chosen).mean()
        loss = (chosen - goal).square().mean() + ALPHA * gap
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            for old, new in zip(target.parameters(), values.parameters(), strict=True):
                old.lerp_(new, TARGET_RATE)

    return lambda: [update() for _ in range(updates)], {}


def d3rlpy(place: str, updates: int, threads: int) -> Started:
    """d3rlpy's DiscreteCQL on (at most 500,000 of) the same rows."""
    import d3rlpy as library
    import torch

    torch.set_num_threads(threads)
    held = arrays(place)
    rows = min(len(held), 500_000) // PERIODS * PERIODS
    ends = np.arange(rows) % PERIODS == PERIODS - 1
    data = library.dataset.MDPDataset(
        observations=held.states[:rows],
        actions=held.levels[:rows].astype(np.int32)[:, None],
        rewards=held.rewards[:rows, None],
        terminals=np.zeros(rows, np.float32),
        timeouts=ends.astype(np.float32),
        action_size=LEVELS,
    )
    config = library.algos.DiscreteCQLConfig(
        batch_size=BATCH, gamma=GAMMA, learning_rate=RATE, alpha=ALPHA,
        encoder_factory=library.models.VectorEncoderFactory(list(HIDDEN)),
    )  # fmt: skip
    learner = config.create(device="cpu:0")
    rounds = learner.fitter(
        data,
        n_steps=updates * (ROUNDS + 1),
        n_steps_per_epoch=updates,
        logger_adapter=library.logging.NoopAdapterFactory(),
        show_progress=False,
    )
    return lambda: next(rounds), {}


CONTENDERS: dict[str, Callable[[str, int, int], Started]] = {
    "bcrlsp": ours,
    "torch": plain,
    "d3rlpy": d3rlpy,
}


def section(rows: int, threads: int, found: dict[str, dict[str, float]]) -> str:
    """The section of docs/benchmarks.md."""
    own, plain_rate = found["bcrlsp"], found["torch"]["rate"]
    called = {
        "bcrlsp": "bcrlsp on RLlib (with expected costs, clipping, metrics)",
        "torch": "plain torch loop",
        "d3rlpy": f"d3rlpy {d3rlpy_environment.VERSION}, DiscreteCQL",
    }
    aims = [
        ("share of the plain loop's rate", own["rate"] / plain_rate, ">=", 0.9, ""),
        ("times d3rlpy's rate", own["rate"] / found["d3rlpy"]["rate"], ">=", 2.0, ""),
        ("first update after the start of reading", own["first"], "<=", 10.0, " s"),
        ("largest memory over the states' bytes", own["memory"], "<=", 1.3, ""),
    ]
    lines = [
        "## Training speed",
        "",
        f"`make bench-train` on {machine()}. Conservative Q-learning, network 24-256-256-8, "
        f"batches of {BATCH:,}, {rows:,} transitions of {PERIODS} periods a user in one Delta "
        f"table, {threads} threads; each contender in a process of its own, a round each in "
        f"turn, median of {ROUNDS} rounds (d3rlpy on 500,000 of the rows at most).",
        "",
        "| learner | transitions/s | against the plain loop | CPU ms an update |",
        "|---|---|---|---|",
        *(
            f"| {called[name]} | {each['rate']:,.0f} | {each['rate'] / plain_rate:.2f} "
            f"| {each['cpu']:.1f} |"
            for name, each in found.items()
        ),
        "",
        f"Reading the table takes {own['read']:.1f} s, RLlib and the first update the rest of "
        f"{own['first']:.1f} s. Memory is what reading and splitting add to the process (resident, "
        "anonymous), at most "
        f"{own['memory'] * own['states'] / 1e6:,.0f} MB for {own['states'] / 1e6:,.0f} MB of "
        "states.",
        "",
        "| aim | measured | wanted | met |",
        "|---|---|---|---|",
        *(
            f"| {what} | {value:.2f}{unit} | {sign} {wanted:g}{unit} "
            f"| {'yes' if (value >= wanted if sign == '>=' else value <= wanted) else 'no'} |"
            for what, value, sign, wanted, unit in aims
        ),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
