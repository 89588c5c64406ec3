"""make bench-control: simulated days under each controller against the optimum in hindsight, the
overshoot of the mode `expected`, and the speed of the library form. Writes docs/benchmarks.md and
docs/control.md."""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from page import PAGE, machine, write_section

from bcrlsp.control import Ledger, Limit, MemoryStore, PriceRule, SqliteStore
from bcrlsp.control.controllers import Controller, ForecastLp, MirrorDescent, Past, Pid
from bcrlsp.control.forecast import ArrivalCurve, ReturnCurve
from bcrlsp.control.overbooking import Overbooking
from bcrlsp.control.replay import Population, Scenario, World, play
from bcrlsp.control.replay.day import DAY
from bcrlsp.control.replay.hindsight import optimum
from bcrlsp.control.watch import Sample
from bcrlsp.features import default_feature_set
from bcrlsp.periods import Settings as Period
from bcrlsp.policies import HeadSpec, Manifest, Network, NetworkSpec, Policy

CONTROL_PAGE = PAGE.parent / "control.md"
TOTAL = (Limit("total", 14000.0),)
ODDS = (Limit("total", 14000.0), Limit("new", 3500.0, groups=("new",)))
SCENARIOS = (
    Scenario("calm", TOTAL),
    Scenario("burst x20 for half an hour", TOTAL, surge=(10.0, 10.5, 20.0)),
    Scenario("drift: redemption x1.5 from 10 h", TOTAL, drift=(10.0, 1.5)),
    Scenario("budget cut by 30 % at noon", TOTAL, cut=(12.0, 0.7)),
    Scenario("late feed: 3 hours", TOTAL, lag=3 * 3600.0),
    Scenario("two budgets at odds", ODDS),
)
DAYS = """## Cost control: simulated days

`make bench-control` on {machine}. Days of 24 h drawn at random, 40 types of users, bonuses of 1 to
5 that live four hours. Value: of what was sent, as a share of the linear program that knew the
whole day and keeps the same ledger. Passed: the most that redeemed plus outstanding money was above
a limit when something was committed, in money. Overspent: redeemed above the budget in the end.
Volatility: standard deviation of a minute's step of the price's logarithm.

"""
DAYS_HEAD = (
    "day", "requests", "controller", "value / hindsight", "passed", "overspent", "volatility"
)  # fmt: skip
OVERBOOKING = """## Cost control: the mode expected

`make bench-control` on {machine}. The mode `expected` commits more than the budget; how often a day
went above it, where redemption differs between days by a factor with a spread of 10 %.

"""
OVERBOOKING_HEAD = ("mode", "days", "days above budget", "most above, of 1,250", "value / hard")
SPEED = """## Cost control: speed of the library form

`make bench-control` on {machine}. Default network (58 features, 128-128), two budgets, bonus ids
given, one thread. Decisions/s: of the fastest 30 in a row (the machine was shared), and by
processor time of all.

"""
SPEED_HEAD = ("ledger", "decisions/s", "by processor time", "median ms", "p99 ms")
CONTROLLERS: dict[str, Callable[[Past], Controller]] = {
    "PID with hysteresis": Pid,
    "mirror descent, one past day": MirrorDescent,
    "LP on forecast": ForecastLp,
}


def past_of(world: World, scenario: Scenario) -> Past:
    """What two weeks of calm days before have taught."""
    calm = Scenario("calm", scenario.limits, requests=scenario.requests)
    people, limits = world.population, scenario.limits
    days = [world.day(calm, number, 7) for number in range(14)]
    best = optimum(days[8], people)
    rng = np.random.default_rng(3)
    n = 20_000
    kinds = rng.choice(len(people.share), n, p=people.share)
    levels = rng.integers(1, len(people.amounts), n)
    delay = np.minimum(rng.gamma(2.0, calm.delay / 2, n), calm.life) + calm.lag
    face = people.amounts[levels]
    paid = np.where(rng.random(n) < people.redeems[kinds, levels], face * rng.uniform(0.6, 1, n), 0)
    few = kinds[:400]
    return Past(
        ArrivalCurve.learn(
            np.concatenate([day.start + day.times for day in days]), 4 * DAY, 18 * DAY
        ),
        ReturnCurve.learn(face, paid, delay, calm.life + max(calm.grace, calm.lag)),
        Sample(people.gain[few], people.cost[few], people.counted(limits)[few]),
        people.amounts,
        best.prices,
        ("cost",) * len(limits),
        best.spend,
    )


def days(quick: bool, results: Path | None) -> list[list[str]]:
    """A row a scenario and controller; those that `results` holds are taken from there."""
    world = World(Population.draw(40, 1))
    rows: list[list[str]] = []
    held = json.loads(results.read_text()) if results is not None and results.exists() else []
    for scenario in SCENARIOS[:2] if quick else SCENARIOS:
        known = [row for row in held if row[0] == scenario.name]
        if len(known) == len(CONTROLLERS):
            rows += known
            continue
        past = past_of(world, scenario)
        day = world.day(scenario, 15, 5)
        best = optimum(day, world.population)
        for name, make in CONTROLLERS.items():
            found = play(day, world.population, make(past), step=300.0 if quick else 60.0)
            rows.append(
                [
                    scenario.name,
                    f"{len(day.times):,}",
                    name,
                    f"{found.value / best.value:.3f}",
                    f"{max(found.passed.values()):.2f}",
                    f"{max(found.overspent.values()):.2f}",
                    f"{found.volatility:.4f}",
                ]
            )
            told(" | ".join(rows[-1]))
        if results is not None:
            results.write_text(json.dumps(rows))
    return rows


def overshoots(number: int) -> list[list[str]]:
    """The mode `expected`: how often a day's redeemed money was above its budget."""
    people = Population.draw(40, 1)
    world = World(people)
    limits = (Limit("total", 1250.0),)
    rows = []
    calm = Scenario("calm", limits, requests=4000.0)
    past = past_of(world, calm)
    money = people.cost[:, 1:].sum() / (people.share.size * people.amounts[1:].sum())
    for quantile in (None, 0.9, 0.99):
        value, over, worst = 0.0, 0, 0.0
        for day_number in range(number):
            # Redemption differs between days, by a factor whose spread the log would tell.
            factor = float(np.exp(np.random.default_rng([day_number, 1]).normal(0, 0.1)))
            scenario = Scenario("day", limits, requests=4000.0, drift=(0.0, factor))
            day = world.day(scenario, 15 + day_number, 5)
            booking, taught = None, past
            if quantile is not None:
                booking = Overbooking(quantile, float(money), 0.1, 3.0)
                taught = replace(past, returns=past.returns.in_expectation())
            controller = ForecastLp(taught, users=100, bins=8)
            found = play(day, people, controller, step=900.0, overbooking=booking)
            value += found.value
            over += found.redeemed > 1250.0
            worst = max(worst, found.redeemed - 1250.0)
        stated = "hard" if quantile is None else f"expected, {1 - quantile:.0%} stated"
        rows.append(
            [stated, f"{number}", f"{over / number:.1%}", f"{max(worst, 0):.2f}", f"{value:.0f}"]
        )
        told(" | ".join(rows[-1]))
    first = float(rows[0][-1])
    for row in rows:
        row[-1] = f"{float(row[-1]) / first:.3f}"
    return rows


def default_policy() -> Policy:
    """The default network, random weights."""
    amounts = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0)
    features = default_feature_set(amounts, Period().calendar())
    heads = (
        HeadSpec(name="q", kind="dueling", amounts=amounts),
        HeadSpec(name="cost", amounts=amounts),
    )
    spec = NetworkSpec(inputs=features.width, hidden=(128, 128), heads=heads)
    rng = np.random.default_rng(0)
    weights = {name: rng.normal(size=s).astype("f4") / 8 for name, s in spec.shapes().items()}
    weights["std"] = np.abs(weights["std"]) + 0.5
    manifest = Manifest(
        policy_id="bench", algorithm="bench", amounts=amounts, feature_set=features.hash,
        feature_names=tuple(features.names), gamma=0.8, network=spec,
    )  # fmt: skip
    return Policy(manifest, Network(spec, weights))


def speeds(quick: bool) -> list[list[str]]:
    """Decisions a second, and the latency of one request, of the library form on one thread."""
    policy = default_policy()
    rng = np.random.default_rng(1)
    states = rng.normal(size=(256, len(policy.feature_names))).astype("f4")
    limits = [Limit("total", 1e9), Limit("new", 1e9, groups=("new",))]
    groups = np.array(["new", "old"] * 128)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        stores = {"in memory": MemoryStore(), "SQLite": SqliteStore(Path(folder) / "ledger.db")}
        for name, store in stores.items():
            rule = PriceRule(policy, {"total": 0.05, "new": 0.01}, limits,
                             ledger=Ledger(store, limits), life=3600.0)  # fmt: skip
            for batch, most in ((256, 300), (1, 2000 if name == "in memory" else 300)):
                turns = most // 5 if quick else most
                wall, used = timed(rule, states[:batch], groups[:batch], turns, name)
                rows.append(
                    [
                        f"{name}, batches of {batch}",
                        f"{batch / steady(wall):,.0f}",
                        f"{batch * turns / used:,.0f}",
                        f"{1e3 * steady(wall):.2f}",
                        f"{1e3 * np.percentile(wall, 99):.2f}",
                    ]
                )
                told(" | ".join(rows[-1]))
    return rows


def timed(
    rule: PriceRule, states: np.ndarray, groups: np.ndarray, turns: int, name: str
) -> tuple[np.ndarray, float]:
    """Seconds of each decision, and processor seconds of all."""
    wall = np.empty(turns)
    for warm in range(20):
        rule.decide(states, groups=groups, ids=[f"{name}-{len(states)}-w{warm}-{i}"
                                                for i in range(len(states))])  # fmt: skip
    begin = time.thread_time()
    for turn in range(turns):
        ids = [f"{name}-{len(states)}-{turn}-{place}" for place in range(len(states))]
        at = time.perf_counter()
        rule.decide(states, groups=groups, ids=ids)
        wall[turn] = time.perf_counter() - at
    return wall, time.thread_time() - begin


def steady(wall: np.ndarray, block: int = 30) -> float:
    """Seconds of a decision: the fastest median of `block` in a row, for a shared machine."""
    starts = range(0, max(len(wall) - block, 0) + 1, block)
    return float(min(np.median(wall[start : start + block]) for start in starts))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def told(text: str) -> None:
    """Progress, on stderr."""
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Runs it all and writes the sections."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer days, nothing written")
    parser.add_argument("--days", type=int, default=40, help="days of the mode expected")
    parser.add_argument("--results", type=Path, help="JSON of days that were played, to go on")
    parser.add_argument("--only", nargs="+", choices=["days", "overbooking", "speed"])
    arguments = parser.parse_args()
    made = {
        "days": lambda: (
            DAYS.format(machine=machine())
            + table(DAYS_HEAD, days(arguments.quick, arguments.results))
        ),
        "overbooking": lambda: (
            OVERBOOKING.format(machine=machine())
            + table(OVERBOOKING_HEAD, overshoots(4 if arguments.quick else arguments.days))
        ),
        "speed": lambda: (
            SPEED.format(machine=machine()) + table(SPEED_HEAD, speeds(arguments.quick))
        ),
    }
    for name in arguments.only or made:
        text = made[name]()
        if arguments.quick:
            print(text)
            continue
        for page in (PAGE, CONTROL_PAGE):
            write_section(f"Cost control, {name}", text, page)


if __name__ == "__main__":
    main()
