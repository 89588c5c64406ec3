"""How near each algorithm comes to an optimum that dynamic programming knows, and d3rlpy beside it.

    python benchmarks/bench_quality.py [--quick]

Two small problems (see problems.py), each logged by a policy that tries every level and by a narrow
one that never tries some. Every registered algorithm learns through its RLlib learner; d3rlpy's
algorithms learn the same transitions with the same network, batch, rate and number of updates. The
greedy policy's return is computed exactly, and given in percent of the optimum's. Prints Markdown
and, unless --quick, puts it into docs/benchmarks.md.
"""

import argparse
import json
import os
import subprocess
import sys
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import quality_planner
from d3rlpy_environment import VERSION, python
from page import machine, write_section
from problems import PROBLEMS, Problem

HIDDEN, BATCH, RATE, TARGET_RATE, STEPS = (64, 64), 256, 1e-3, 0.02, 20
USERS = {"covered": 3000, "narrow": 500}
ALPHA, THRESHOLD = {"covered": 0.01, "narrow": 0.3}, 0.3
"""Of CQL (the default, and what fits returns of this size) and of BCQ, d3rlpy's too."""
OPTIONS = {"cql": lambda log: {"alpha": ALPHA[log]}, "bcq": lambda log: {"threshold": THRESHOLD}}
PLANNER = "planner"
THEIRS = {"dqn": "DoubleDQN", "cql": "DiscreteCQL", "bcq": "DiscreteBCQ"}
CAREFUL, PLAIN = ("cql", "bcq", "iql"), ("dqn", "bc")
WITHIN = 95.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="two seeds, short: shows it works")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--only", nargs="*", help="algorithms (default: all that are registered)")
    arguments = parser.parse_args()
    if arguments.worker:
        work(json.load(sys.stdin))
        return
    seeds, updates = (2, 500) if arguments.quick else (5, 2000)
    own, theirs = jobs(seeds, updates, arguments.only)
    found = [*measured(sys.executable, own), *measured(python(), theirs)]
    markdown = section(found, seeds, updates)
    print(markdown)
    if not (arguments.quick or arguments.only):
        write_section("Training quality", markdown)


def jobs(
    seeds: int, updates: int, only: list[str] | None
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What is to be learned, by this package and by d3rlpy."""
    from bcrlsp.learning.algorithms import ALGORITHMS

    names = only or ALGORITHMS.names()
    every = [
        {"problem": problem, "log": log, "seed": seed, "updates": updates}
        for problem in PROBLEMS for log in USERS for seed in range(seeds)
    ]  # fmt: skip
    own = [
        {"library": "bcrlsp", "name": name, **each}
        for each in every for name in names
        if name != PLANNER or each["problem"] in quality_planner.PROBLEMS
    ]  # fmt: skip
    theirs = [
        {"library": "d3rlpy", "name": name, **each}
        for each in every for name in THEIRS if name in names
    ]  # fmt: skip
    return own, theirs


def measured(interpreter: str, todo: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The jobs with their results; as many processes as there are cores, one thread each."""
    parts = [part for k in range(CORES) if (part := todo[k::CORES])]
    with ThreadPoolExecutor(CORES) as pool:
        results = pool.map(lambda part: _process(interpreter, part), parts)
        return [found for part in results for found in part]


CORES = len(os.sched_getaffinity(0))


def _process(interpreter: str, part: list[dict[str, Any]]) -> list[dict[str, Any]]:
    run = subprocess.run(
        [interpreter, __file__, "--worker"],
        input=json.dumps(part),
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        check=False,
    )
    if run.returncode:
        sys.exit(f"a worker ended with {run.returncode}:\n{run.stderr[-2000:]}")
    return list(json.loads(run.stdout.splitlines()[-1]))


def work(todo: list[dict[str, Any]]) -> None:
    """Does the jobs; the last line of stdout is the list of them with their returns."""
    stdout, sys.stdout = sys.stdout, sys.stderr
    learners = {"bcrlsp": ours, "d3rlpy": theirs}
    for job in todo:
        problem = PROBLEMS[job["problem"]]()
        policy = problem.uniform if job["log"] == "covered" else problem.narrow
        logged = problem.log(policy, USERS[job["log"]], STEPS, job["seed"])
        if job["name"] == PLANNER:
            job["percent"] = quality_planner.percent(problem, policy, logged, job["seed"])
            continue
        chosen, gamma = learners[job["library"]](problem, logged, job)
        job["percent"] = 100 * problem.value(chosen, gamma) / problem.optimum(gamma)
    print(json.dumps(todo), file=stdout)


def ours(problem: Problem, logged: dict[str, Any], job: dict[str, Any]) -> Any:
    """The greedy policy (the cloned one for bc), and the discount that it is measured with."""
    from bcrlsp.learning import Settings
    from bcrlsp.learning.training import train
    from bcrlsp.learning.transitions import Transitions

    name, rows = job["name"], len(logged["level"])
    settings = Settings(
        algorithm=name, options=OPTIONS.get(name, lambda _: {})(job["log"]), gamma=problem.gamma,
        price=problem.price, hidden=HIDDEN, head="plain", batch_size=BATCH, updates=job["updates"],
        iteration=job["updates"], learning_rate=RATE, target_rate=TARGET_RATE, threads=1,
        holdout=0.0,
    )  # fmt: skip
    transitions = Transitions(
        states=problem.features[logged["state"].astype(int)],
        levels=logged["level"].astype(np.int8),
        rewards=logged["reward"].astype(np.float32),
        costs=logged["cost"].astype(np.float32),
        propensities=logged["propensity"].astype(np.float32),
        terminal=np.zeros(rows, bool),
        has_next=np.arange(rows) % STEPS != STEPS - 1,
        users=np.arange(0, rows + 1, STEPS),
    )
    names = [f"f{k}" for k in range(problem.features.shape[1])]
    # Levels that cost nothing are told apart by their number.
    amounts = problem.amounts if problem.amounts.any() else np.arange(len(problem.amounts))
    policy = train(
        transitions, settings, feature_names=names, feature_set="f", amounts=amounts,
        seed=job["seed"],
    ).policy  # fmt: skip
    rule = "behaviour" if name == "bc" else "greedy"
    chosen = policy.probabilities(problem.features, rule=rule, price=problem.price)
    return chosen, policy.gamma


def theirs(problem: Problem, logged: dict[str, Any], job: dict[str, Any]) -> Any:
    """The same by d3rlpy; its target network is replaced whole, as often as ours is moved."""
    import d3rlpy
    import torch

    torch.set_num_threads(1)
    d3rlpy.seed(job["seed"])
    rows = len(logged["level"])
    data = d3rlpy.dataset.MDPDataset(
        observations=problem.features[logged["state"].astype(int)],
        actions=logged["level"].astype(np.int32)[:, None],
        rewards=(logged["reward"] - problem.price * logged["cost"]).astype(np.float32)[:, None],
        terminals=np.zeros(rows, np.float32),
        timeouts=(np.arange(rows) % STEPS == STEPS - 1).astype(np.float32),
        action_size=problem.returns.shape[1],
    )
    extra = {"cql": {"alpha": ALPHA[job["log"]]}, "bcq": {"action_flexibility": THRESHOLD}}
    config = getattr(d3rlpy.algos, THEIRS[job["name"]] + "Config")(
        batch_size=BATCH, gamma=problem.gamma, learning_rate=RATE,
        target_update_interval=int(1 / TARGET_RATE),
        encoder_factory=d3rlpy.models.VectorEncoderFactory(list(HIDDEN)),
        **extra.get(job["name"], {}),
    )  # fmt: skip
    learner = config.create(device="cpu:0")
    learner.fit(
        data, n_steps=job["updates"], n_steps_per_epoch=job["updates"], show_progress=False,
        logger_adapter=d3rlpy.logging.NoopAdapterFactory(),
    )  # fmt: skip
    return np.eye(problem.returns.shape[1])[learner.predict(problem.features)], problem.gamma


def section(found: list[dict[str, Any]], seeds: int, updates: int) -> str:
    """The section of docs/benchmarks.md."""
    scores: dict[tuple[str, str], dict[tuple[str, str], dict[int, float]]] = defaultdict(
        lambda: defaultdict(dict)
    )
    for each in found:
        learner, place = (each["library"], each["name"]), (each["problem"], each["log"])
        scores[learner][place][each["seed"]] = each["percent"]
    places = [(problem, log) for log in USERS for problem in PROBLEMS]
    lines = [
        "## Training quality",
        "",
        f"`make bench-quality` on {machine()}. Return of what was learned, computed exactly, in "
        f"percent of the optimum by dynamic programming; mean over {seeds} seeds (each with a log "
        f"and weights of its own) and 95 % interval. Network {'-'.join(map(str, HIDDEN))}, "
        f"{updates:,} updates of {BATCH} transitions, rate {RATE:g}. `covered`: "
        f"{USERS['covered']:,} users of {STEPS} periods, every level tried everywhere. `narrow`: "
        f"{USERS['narrow']:,} users, two levels tried in a state. `garnet`: random, one-hot "
        "states. `market`: habit grows with returns, fatigue with bonuses, money has a price. "
        f"CQL's alpha is {ALPHA['covered']:g} on covered and {ALPHA['narrow']:g} on narrow logs, "
        f"BCQ's threshold {THRESHOLD:g}, d3rlpy's the same. bc is the cloned logging policy; "
        "myopic is measured at its own discount, 0. The planner sees no states but histories of "
        "events, from which those of `garnet` do not follow: it is played on `market` by 4,000 "
        "users who have a history, against the optimum from where they are.",
        "",
        "| learner | " + " | ".join(f"{problem}, {log}" for problem, log in places) + " |",
        "|---|" + "---|" * len(places),
    ]
    for learner, at in scores.items():
        cells = [_cell(list(at[place].values())) if place in at else "–" for place in places]
        lines.append(f"| {_called(learner)} | " + " | ".join(cells) + " |")
    lines += ["", *_aims(scores, seeds)]
    return "\n".join(lines)


def _called(learner: tuple[str, str]) -> str:
    library, name = learner
    return name if library == "bcrlsp" else f"d3rlpy {VERSION} {THEIRS[name]}"


def _cell(values: list[float]) -> str:
    mean, half = _interval(values)
    return f"{mean:.1f} ± {half:.1f}"


def _interval(values: list[float]) -> tuple[float, float]:
    """Mean and half of Student's 95 % interval."""
    from scipy import stats

    half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    return float(np.mean(values)), float(half)


def _aims(scores: Any, seeds: int) -> list[str]:
    """The aims, and whether they are met."""
    lines = ["| aim | measured | met |", "|---|---|---|"]
    for (library, name), at in scores.items():
        if library == "bcrlsp" and name != "bc":
            covered = [at[problem, "covered"] for problem in PROBLEMS if (problem, "covered") in at]
            worst = min(np.mean(list(seen.values())) for seen in covered)
            lines.append(
                f"| {name}, covered: within 5 % of the optimum | {worst:.1f} % at worst "
                f"| {_yes(worst >= WITHIN)} |"
            )
    for name in CAREFUL:
        for other in PLAIN:
            for problem in PROBLEMS:
                one, two = scores["bcrlsp", name], scores["bcrlsp", other]
                if one and two:
                    mean, half = _paired(one[problem, "narrow"], two[problem, "narrow"])
                    lines.append(
                        f"| {name} beats {other}, {problem}, narrow | {mean:+.1f} ± {half:.1f} "
                        f"| {_yes(mean - half > 0)} |"
                    )
    for name in THEIRS:
        for problem, log in ((problem, log) for log in USERS for problem in PROBLEMS):
            one, two = scores["bcrlsp", name], scores["d3rlpy", name]
            if one and two:
                mean, half = _paired(one[problem, log], two[problem, log])
                lines.append(
                    f"| {name} not below d3rlpy's beyond noise, {problem}, {log} "
                    f"| {mean:+.1f} ± {half:.1f} | {_yes(mean + half >= 0)} |"
                )
    return lines


def _paired(one: dict[int, float], two: dict[int, float]) -> tuple[float, float]:
    """Differences seed by seed: the same logs."""
    return _interval([one[seed] - two[seed] for seed in sorted(one)])


def _yes(met: bool) -> str:
    return "yes" if met else "no"


if __name__ == "__main__":
    main()
