"""Trajectories: this package on Spark against the same features in DuckDB, and one added day.

    python benchmarks/bench_trajectories.py [--quick] [--events 5e6 20e6 80e6] [--layout]

Both read the same Delta files of a generated log and write the same rows as Parquet, partitioned by
period; their results are compared row by row. Every measurement is a process of its own with two
threads. Spark's driver may take 4 MB of results in all: a collect of rows by user would end it.
Writes its section of docs/benchmarks.md (not with --quick). With --folder DIR, what is measured is
kept in DIR/measured.json, and a run that was interrupted goes on from there.
"""

import argparse
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from page import machine, write_section
from processes import run_worker
from trajectories_duckdb import compare, on_duckdb
from trajectories_log import generate
from trajectories_page import section

from bcrlsp import periods, session
from bcrlsp.features import FeatureSet, default_feature_set
from bcrlsp.tables import TABLES, Lake
from bcrlsp.tables import Settings as LakeSettings
from bcrlsp.tables.ddl import create_statement
from bcrlsp.trajectories import Settings, build

AMOUNTS = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0)
DAYS = 60
EVENTS_A_USER_AND_DAY = 1.54
HISTORIES = (30, 365)
CALENDAR = periods.Settings().calendar()
FEATURES: FeatureSet = default_feature_set(AMOUNTS, CALENDAR)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small: shows that it works")
    parser.add_argument("--events", type=float, nargs="+", help="sizes of the log, in events")
    parser.add_argument("--repeat", type=int, default=3, help="runs of up to 5 million events")
    parser.add_argument("--users", type=int, help="users of the histories (0: none)")
    parser.add_argument("--layout", action="store_true", help="compare layouts instead")
    parser.add_argument("--folder", help="where tables and measurements go (default: temporary)")
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.worker:
        name, place, number = asked.worker
        print(json.dumps(WORKERS[name](place, int(number))))
        return
    whole = [2e6] if asked.layout else [5e6, 20e6, 80e6]
    sizes = [int(size) for size in asked.events or ([2e5] if asked.quick else whole)]
    usual = 2_000 if asked.quick else 20_000
    users = usual if asked.users is None else asked.users
    with open_folder(asked.folder) as place:
        kept = Kept(place)
        if asked.layout:
            name, text = "trajectories-layout", layouts(kept, place, sizes[0])
        else:
            measured = [
                measure_size(kept, place, size, asked.repeat if size <= 5e6 else 1)
                for size in sizes
            ]
            histories = HISTORIES if users else ()
            days = [measure_day(kept, place, users, history) for history in histories]
            name, text = "trajectories", section(machine(), measured, days)
    print(text)
    if not asked.quick:
        write_section(name, text)


class Kept:
    """Measurements by subject and step, on disk as soon as they are there."""

    def __init__(self, place: str) -> None:
        self._file = Path(place) / "measured.json"
        self._held: dict[str, dict[str, Any]] = (
            json.loads(self._file.read_text()) if self._file.exists() else {}
        )

    def once(self, subject: object, step: str, measure: Callable[[], dict[str, Any]]) -> Any:
        """What `measure` gives, or gave in the run before."""
        held = self._held.setdefault(str(subject), {})
        if step not in held:
            held[step] = measure()
            self._file.write_text(json.dumps(self._held, indent=1))
        return held[step]


@contextmanager
def open_folder(given: str | None) -> Iterator[str]:
    """The folder asked for, or a temporary one."""
    if given:
        Path(given).mkdir(parents=True, exist_ok=True)
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="bench-trajectories-") as made:
        yield made


def measure_size(kept: Kept, place: str, events: int, repeat: int) -> dict[str, Any]:
    """Both engines over a log of `events`; medians of `repeat` runs."""
    lake = f"{place}/{events}"
    users = max(1, round(events / DAYS / EVENTS_A_USER_AND_DAY))
    found = {"repeat": repeat, **kept.once(events, "log", lambda: fresh(lake, users, DAYS))}
    for engine, leaves in (
        ("spark", ("trajectories", "states", "builds")),
        ("duckdb", ("duckdb",)),
    ):
        runs = []
        for number in range(repeat):

            def measured(engine: str = engine, leaves: tuple[str, ...] = leaves) -> dict[str, Any]:
                for name in leaves:
                    shutil.rmtree(f"{lake}/{name}", ignore_errors=True)
                return run(engine, lake, DAYS)

            runs.append(kept.once(events, f"{engine} {number}", measured))
        seconds = statistics.median(one["seconds"] for one in runs)
        memory = max(one["memory"] for one in runs)
        found[engine] = {**runs[-1], "seconds": seconds, "memory": memory}
    every = 1 if events <= 5e6 else 10
    found["same"] = kept.once(events, "same", lambda: run("compare", lake, every))
    shutil.rmtree(lake, ignore_errors=True)
    return found


def measure_day(kept: Kept, place: str, users: int, history: int) -> dict[str, Any]:
    """One more day after `history` days."""
    subject, lake = f"{users} users, {history} days", f"{place}/history-{history}"
    kept.once(subject, "log", lambda: fresh(lake, users, history + 3))
    kept.once(subject, "history", lambda: run("history", lake, history))
    day = kept.once(subject, "day", lambda: run("day", lake, history))
    shutil.rmtree(lake, ignore_errors=True)
    return {"history": history, "users": users, **day}


def fresh(lake: str, users: int, days: int) -> dict[str, Any]:
    """A new log in the place of whatever is there."""
    shutil.rmtree(lake, ignore_errors=True)
    return run("generate", lake, users * 1000 + days)


def layouts(kept: Kept, place: str, events: int) -> str:
    """Partitions by period against clustering by it: Markdown."""
    lake = f"{place}/layout"
    users = max(1, round(events / DAYS / EVENTS_A_USER_AND_DAY))
    lines = [
        "## Layout of trajectories",
        "",
        f"`make bench-layout`: {events:,} events of {DAYS} days, {machine()}.",
        "",
        "| layout | build, s | one day replaced, s | one day read, s | files | GB |",
        "|---|---|---|---|---|---|",
    ]
    for number, name in enumerate(LAYOUTS):

        def measured(number: int = number) -> dict[str, Any]:
            if not number:
                fresh(lake, users, DAYS)
            for made in ("trajectories", "states", "builds"):
                shutil.rmtree(f"{lake}/{made}", ignore_errors=True)
            return run("layout", lake, number)

        one = kept.once(f"layout of {events}", name, measured)
        lines.append(
            f"| {name} | {one['build']:.1f} | {one['replaced']:.1f} | {one['read']:.2f} "
            f"| {one['files']:,} | {one['bytes'] / 1e9:.2f} |"
        )
    shutil.rmtree(lake, ignore_errors=True)
    return "\n".join(lines)


def run(worker: str, place: str, number: int) -> dict[str, Any]:
    """What a worker of this file measures, in a process of its own."""
    return run_worker(__file__, worker, place, str(number))


def open_lake(place: str, results: str = "4m") -> Lake:
    """A lake on two threads; results: most that the driver may take."""
    settings = session.Settings(
        driver_memory="3g", shuffle_partitions=4, conf={"spark.driver.maxResultSize": results}
    )
    return Lake(session.get_session(settings), LakeSettings(root=place))


def made(place: str, number: int) -> dict[str, Any]:
    """A log; number = users * 1000 + days."""
    return generate(open_lake(place), CALENDAR, *divmod(number, 1000))


def on_spark(place: str, days: int) -> dict[str, Any]:
    """All periods by this package."""
    lake = open_lake(place)
    begun = time.perf_counter()
    report = build(lake, Settings(), FEATURES, range(days))
    return {"seconds": time.perf_counter() - begun, "rows": report.rows}


def history(place: str, days: int) -> dict[str, Any]:
    """The last periods of a history and the states at its end, as yesterday's run left them."""
    build(open_lake(place), Settings(), FEATURES, range(days - 3, days))
    return {}


def day(place: str, number: int) -> dict[str, Any]:
    """The median of three days, each added to the states that the one before left."""
    lake = open_lake(place)
    # The JVM's first steps are not the day's cost.
    build(lake, Settings(), FEATURES, range(number - 2, number - 1), force=True)
    took = []
    for period in range(number, number + 3):
        begun = time.perf_counter()
        build(lake, Settings(), FEATURES, range(period, period + 1))
        took.append(time.perf_counter() - begun)
    return {"seconds": statistics.median(took)}


LAYOUTS = ("partitioned by period", "clustered by period", "clustered by period, user_id", "none")
_CLAUSES = (
    "PARTITIONED BY (period)",
    "CLUSTER BY (period)",
    "CLUSTER BY (period, user_id)",
    "",
)


def layout(place: str, number: int) -> dict[str, Any]:
    """A table of one layout: built (clustered by OPTIMIZE), a day of it replaced, a day read."""
    lake = open_lake(place, "1g")  # OPTIMIZE plans its files on the driver
    target = lake.identifier("trajectories")
    made = create_statement(TABLES["trajectories"], target, "interval 7 days")
    lake.spark.sql(made.replace("PARTITIONED BY (period)", _CLAUSES[number]))
    times = []

    def timed(work: Callable[[], object]) -> None:
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)

    def whole() -> None:
        build(lake, Settings(), FEATURES, range(DAYS))
        if "CLUSTER" in _CLAUSES[number]:
            lake.spark.sql(f"OPTIMIZE {target}").collect()

    some = CALENDAR.period(DAYS // 2)
    timed(whole)
    middle = range(DAYS // 2, DAYS // 2 + 1)
    timed(lambda: build(lake, Settings(), FEATURES, middle, force=True))
    by_level = lake.read("trajectories").where(f"period = DATE'{some}'").groupBy("level")
    timed(lambda: by_level.agg({"reward": "avg", "step": "max"}).collect())
    detail = lake.spark.sql(f"DESCRIBE DETAIL {target}").first()
    files, size = (detail["numFiles"], detail["sizeInBytes"]) if detail else (0, 0)
    names = ("build", "replaced", "read")
    return {**dict(zip(names, times, strict=True)), "files": files, "bytes": size}


WORKERS: dict[str, Callable[[str, int], dict[str, Any]]] = {
    "generate": made,
    "spark": on_spark,
    "duckdb": lambda place, days: on_duckdb(place, days, FEATURES),
    "history": history,
    "day": day,
    "layout": layout,
    "compare": lambda place, every: compare(place, DAYS, every),
}

if __name__ == "__main__":
    main()
