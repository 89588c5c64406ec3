"""Trajectories: this package on Spark against the same features in DuckDB, and one added day.

    python benchmarks/bench_trajectories.py [--quick] [--events 5e6 20e6] [--folder DIR]

Both read the same Delta files of a generated log and write the same rows as Parquet, partitioned by
period; their results are compared. Every measurement is a process of its own, with two threads;
memory is the largest sum of resident memory over the process and its children. Prints Markdown.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bcrlsp import periods, session
from bcrlsp.features import MEMORY, FeatureSet, default_feature_set
from bcrlsp.tables import EVENT_TABLES, Lake
from bcrlsp.tables import Settings as LakeSettings
from bcrlsp.trajectories import Settings, build

AMOUNTS = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0)
DAYS = 60
EVENTS_A_USER_AND_DAY = 1.54
MEMORY_LIMIT = "6GB"
CALENDAR = periods.Settings().calendar()
FEATURES: FeatureSet = default_feature_set(AMOUNTS, CALENDAR)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small: shows that it works")
    parser.add_argument("--events", type=float, nargs="+", help="sizes of the log, in events")
    parser.add_argument("--folder", help="where the tables go (default: a temporary folder)")
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        name, folder, number = arguments.worker
        print(json.dumps(WORKERS[name](folder, int(number))))
        return
    sizes = arguments.events or ([2e5] if arguments.quick else [5e6, 20e6, 80e6])
    with folder(arguments.folder) as place:
        print_sizes([measure_size(place, int(size)) for size in sizes])
        print_days(measure_days(place, 2_000 if arguments.quick else 50_000))


@contextmanager
def folder(given: str | None) -> Iterator[str]:
    if given:
        Path(given).mkdir(parents=True, exist_ok=True)
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="bench-trajectories-") as made:
        yield made


def measure_size(place: str, events: int) -> dict[str, Any]:
    lake = f"{place}/{events}"
    users = max(1, round(events / DAYS / EVENTS_A_USER_AND_DAY))
    made = run("generate", lake, users * 1000 + DAYS)
    spark = run("spark", lake, DAYS)
    duck = run("duckdb", lake, DAYS)
    differences = run("compare", lake, DAYS)
    shutil.rmtree(lake)
    return {"made": made, "spark": spark, "duckdb": duck, "differences": differences}


def measure_days(place: str, users: int) -> list[dict[str, Any]]:
    out = []
    for history in (30, 365):
        lake = f"{place}/history-{history}"
        run("generate", lake, users * 1000 + history + 1)
        run("history", lake, history)
        out.append({"history": history, "users": users} | run("day", lake, history))
        shutil.rmtree(lake)
    return out


def print_sizes(measured: list[dict[str, Any]]) -> None:
    print("| events | rows | Spark s | events/s | memory | DuckDB s | memory | ratio | growth |")
    print("|---|---|---|---|---|---|---|---|---|")
    first = measured[0]
    for one in measured:
        spark, duck, events = one["spark"], one["duckdb"], one["made"]["events"]
        # Time for each event, against that of the smallest log: 1.00 is linear growth.
        growth = spark["seconds"] / events / (first["spark"]["seconds"] / first["made"]["events"])
        print(
            f"| {events:,} | {spark['rows']:,} | {spark['seconds']:.1f} "
            f"| {events / spark['seconds']:,.0f} | {spark['memory']:.1f} GB "
            f"| {duck['seconds']:.1f} | {duck['memory']:.1f} GB "
            f"| {spark['seconds'] / duck['seconds']:.2f} | {growth:.2f} |"
        )
        print(f"\nlargest difference of a column's sums: {one['differences']['largest']:.1e}\n")


def print_days(measured: list[dict[str, Any]]) -> None:
    print("| users | days of history | one added day, s | ratio |")
    print("|---|---|---|---|")
    for one in measured:
        ratio = one["seconds"] / measured[0]["seconds"]
        print(f"| {one['users']:,} | {one['history']} | {one['seconds']:.1f} | {ratio:.2f} |")


def run(worker: str, lake: str, number: int) -> dict[str, Any]:
    """What a worker prints, from a process of its own, and the most memory that it held (GB)."""
    command = [sys.executable, __file__, "--worker", worker, lake, str(number)]
    print(f"… {worker} {lake}", file=sys.stderr)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    most = 0
    while process.poll() is None:
        most = max(most, resident(process.pid))
        time.sleep(0.2)
    if process.returncode:
        raise SystemExit(f"{worker} ended with {process.returncode}")
    told = process.stdout.read() if process.stdout else "{}"
    return {**json.loads(told.splitlines()[-1]), "memory": most / 2**30}


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


def open_lake(place: str) -> Lake:
    settings = session.Settings(driver_memory="3g", shuffle_partitions=4)
    return Lake(session.get_session(settings), LakeSettings(root=place))


def generate(place: str, number: int) -> dict[str, Any]:
    """A log of `users` over `days` (number = users * 1000 + days), its files in order of time."""
    users, days = divmod(number, 1000)
    lake = open_lake(place)
    origin = CALENDAR.origin.strftime("%Y-%m-%d %H:%M:%S")
    lake.spark.range(users * days).createOrReplaceTempView("ids")

    def drawn(salt: int) -> str:
        return f"(pmod(xxhash64(id, {salt}), 1000000) / 1000000)"

    cells = f"""
        SELECT id, id % {users} AS user, id DIV {users} AS day,
            concat('user-', id % {users}) AS user_id, concat('bonus-', id) AS bonus_id,
            timestamp_seconds(unix_seconds(TIMESTAMP'{origin}') + (id DIV {users}) * 86400) AS at,
            CASE WHEN {drawn(1)} < 0.55 THEN 0 ELSE 1 + pmod(xxhash64(id, 2), 5) END AS level,
            {drawn(3)} < 0.15 + 0.4 * pmod(xxhash64(id % {users}), 100) / 100 AS back,
            1 + pmod(xxhash64(id, 4), 2) AS events, {drawn(5)} < 0.6 AS redeems
        FROM ids"""
    lake.spark.sql(cells).createOrReplaceTempView("cells")
    later = "timestamp_micros(unix_micros(at) + ({}) * 1000000)"
    tables = {
        "bonuses": "bonus_id, user_id, at AS sent_ts, level, CAST(level AS DOUBLE) AS amount, "
        "0.5D AS propensity, CAST(NULL AS STRING) AS policy_id, at AS ingest_ts FROM cells",
        "activity": f"user_id, {later.format('3600 + 60 * e')} AS event_ts, 'open' AS kind, "
        f"1.0D AS amount, {later.format('3600 + 60 * e')} AS ingest_ts "
        "FROM cells LATERAL VIEW explode(sequence(1, events)) AS e WHERE back",
        "redemptions": f"bonus_id, user_id, {later.format('7200')} AS redeemed_ts, "
        f"CAST(level AS DOUBLE) AS amount, {later.format('7200')} AS ingest_ts "
        "FROM cells WHERE back AND redeems AND level > 0",
        "users": f"concat('user-', id) AS user_id, TIMESTAMP'{origin}' AS signup_ts, "
        f"'all' AS segment, TIMESTAMP'{origin}' AS ingest_ts FROM ids WHERE id < {users}",
    }
    for name, columns in tables.items():
        lake.overwrite(name, lake.spark.sql(f"SELECT {columns}"))
    counted = {name: lake.read(name).count() for name in EVENT_TABLES}
    return {"events": sum(counted.values()) - counted["users"], "users": users}


def on_spark(place: str, days: int) -> dict[str, Any]:
    lake = open_lake(place)
    begun = time.perf_counter()
    report = build(lake, Settings(), FEATURES, range(days))
    return {"seconds": time.perf_counter() - begun, "rows": report.rows}


def history(place: str, days: int) -> dict[str, Any]:
    """The last periods of a history and the states at its end, as yesterday's run left them."""
    build(open_lake(place), Settings(), FEATURES, range(days - 3, days))
    return {}


def day(place: str, number: int) -> dict[str, Any]:
    lake = open_lake(place)
    # The JVM's first steps are not the day's cost.
    lake.spark.range(1000).repartition(2).count()
    build(lake, Settings(), FEATURES, range(number - 2, number - 1), force=True)
    begun = time.perf_counter()
    build(lake, Settings(), FEATURES, range(number, number + 1))
    return {"seconds": time.perf_counter() - begun}


def on_duckdb(place: str, days: int) -> dict[str, Any]:
    import duckdb
    from deltalake import DeltaTable

    connection = duckdb.connect()
    connection.execute("SET threads = 2")
    connection.execute(f"SET memory_limit = '{MEMORY_LIMIT}'")
    connection.execute(f"SET temp_directory = '{place}/duckdb-spill'")
    connection.execute("SET TimeZone = 'UTC'")
    for name in EVENT_TABLES:
        files = DeltaTable(f"{place}/{name}").file_uris()
        connection.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet({files!r})")
    begun = time.perf_counter()
    connection.execute(
        f"COPY ({duckdb_query(days)}) TO '{place}/duckdb' "
        "(FORMAT parquet, PARTITION_BY (period), OVERWRITE)"
    )
    return {"seconds": time.perf_counter() - begun}


def duckdb_query(days: int) -> str:
    """The default features and labels (reward and attribution of the default settings) in SQL."""
    origin = CALENDAR.origin.strftime("%Y-%m-%d")
    index = f"(epoch({{}}) - epoch(TIMESTAMP '{origin}')) // 86400"
    since = "p - 1 - max(CASE WHEN {} THEN p END) OVER w32"
    tenure = f"least(p - floor, {MEMORY})"
    values = {
        "tenure": tenure,
        "active_recency": f"coalesce({since.format('active = 1')}, {MEMORY})",
        "active_streak": f"coalesce({since.format('active = 0')}, {tenure})",
        "inactive_streak": f"least(coalesce({since.format('active = 1')}, {MEMORY}), {tenure})",
        "sent_recency": f"coalesce({since.format('level > 0')}, {MEMORY})",
        "sent_streak": f"coalesce({since.format('level = 0')}, {tenure})",
        "pause_streak": f"least(coalesce({since.format('level > 0')}, {MEMORY}), {tenure})",
        "last_level": "coalesce(last_value(nullif(level, 0) IGNORE NULLS) OVER w32, 0)",
        "week_sin": "sin(2 * pi() * (isodow(start) - 1) / 7)",
        "week_cos": "cos(2 * pi() * (isodow(start) - 1) / 7)",
    }
    for k in (1, 3, 7, 14, 30):
        values[f"active_{k}"] = f"coalesce(sum(active) OVER w{k}, 0)"
        values[f"sent_{k}"] = f"coalesce(sum(sent) OVER w{k}, 0)"
    for k in (2, 3, 4, 5):
        values[f"active_lag_{k}"] = f"coalesce(lag(active, {k}) OVER w, 0)"
        values[f"sent_lag_{k}"] = f"coalesce(lag(sent, {k}) OVER w, 0)"
    for top in (2, 4, 8):
        for bit in ("active", "sent"):
            past = f"list_prepend(0, coalesce(list({bit}) OVER w{MEMORY}, []))"
            step = f"lambda s, b: greatest(0, least({top}, s + 2 * b - 1))"
            values[f"{bit}_walk_{top}"] = f"list_reduce({past}, {step})"
    for k in (7, 30):
        values[f"free_{k}"] = f"coalesce(sum(active * (1 - sent)) OVER w{k}, 0)"
        values[f"events_{k}"] = f"ln(1 + coalesce(sum(least(events, 63)) OVER w{k}, 0))"
        for level in range(1, len(AMOUNTS)):
            of = f"(level = {level})::INT"
            values[f"sent_{level}_{k}"] = f"coalesce(sum({of}) OVER w{k}, 0)"
            values[f"answered_{level}_{k}"] = f"coalesce(sum({of} * active) OVER w{k}, 0)"
    state = ", ".join(f"({values[name]})::FLOAT" for name in FEATURES.names)
    order = "PARTITION BY user_id ORDER BY p"
    windows = ", ".join(
        f"w{k} AS ({order} ROWS BETWEEN {k} PRECEDING AND 1 PRECEDING)"
        for k in (1, 3, 7, 14, 30, MEMORY)
    )
    return f"""
        WITH people AS (
            SELECT user_id, segment, {index.format("signup_ts")} AS floor FROM users
        ), acts AS (
            SELECT user_id, {index.format("event_ts")} AS p, count(*) AS events
            FROM activity GROUP BY ALL
        ), sends AS (
            SELECT user_id, {index.format("sent_ts")} AS p, max(b.level) AS level,
                any_value(propensity) AS propensity,
                sum(CASE WHEN {index.format("redeemed_ts")} = {index.format("sent_ts")}
                    THEN r.amount END) AS cost
            FROM bonuses b LEFT JOIN redemptions r USING (bonus_id, user_id) GROUP BY ALL
        ), cells AS (
            SELECT user_id, segment, floor, unnest(range(floor::BIGINT, {days})) AS p FROM people
        ), panel AS (
            SELECT user_id, segment, floor, p, coalesce(events, 0) AS events,
                (events IS NOT NULL)::INT AS active, coalesce(level, 0) AS level,
                (coalesce(level, 0) > 0)::INT AS sent, coalesce(cost, 0) AS cost, propensity,
                TIMESTAMP '{origin}' + to_days(p::INT) AS start
            FROM cells LEFT JOIN acts USING (user_id, p) LEFT JOIN sends USING (user_id, p)
        )
        SELECT user_id, start::DATE AS period, (p - floor)::INT AS step,
            list_value({state}) AS state, level, active::DOUBLE AS reward, cost, propensity,
            false AS terminal, start AS period_start, segment
        FROM panel WINDOW w AS ({order}), {windows}"""


def compare(place: str, days: int) -> dict[str, Any]:
    """The largest relative difference between the two results' sums a column and period."""
    import duckdb
    from deltalake import DeltaTable

    connection = duckdb.connect()
    files = DeltaTable(f"{place}/trajectories").file_uris()
    sums = ", ".join(
        [f"sum(state[{i + 1}]::DOUBLE * (1 + step % 7))" for i in range(FEATURES.width)]
        + [f"sum({name})" for name in ("step", "level", "reward", "cost", "propensity")]
        + ["count(*)"]
    )
    found = [
        connection.execute(
            f"SELECT step, {sums} FROM read_parquet({source}) GROUP BY step ORDER BY step"
        ).fetchnumpy()
        for source in (repr(files), f"'{place}/duckdb/*/*.parquet'")
    ]
    largest = 0.0
    for column in found[0]:
        ours, theirs = (result[column].astype(float) for result in found)
        scale = abs(theirs).max() or 1.0
        largest = max(largest, float(abs(ours - theirs).max() / scale))
    assert len(found[0]["step"]) == days
    return {"largest": largest}


WORKERS: dict[str, Callable[[str, int], dict[str, Any]]] = {
    "generate": generate,
    "spark": on_spark,
    "duckdb": on_duckdb,
    "history": history,
    "day": day,
    "compare": compare,
}

if __name__ == "__main__":
    main()
