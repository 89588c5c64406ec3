"""make bench-control-stream: latency of the stream from request to committed decision, at several
rates, and the rate at which it falls behind. Writes docs/benchmarks.md and docs/control.md."""

import argparse
import os
import tempfile
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pyarrow as pa
from bench_control import CONTROL_PAGE, default_policy, table, told
from deltalake import write_deltalake
from page import PAGE, machine, write_section
from pyspark.sql import SparkSession

from bcrlsp import session
from bcrlsp.control import Limit
from bcrlsp.control.forecast import WEEK_HOURS, ArrivalCurve, ReturnCurve
from bcrlsp.control.monitor import Board
from bcrlsp.control.stream.book import Book
from bcrlsp.control.stream.knowledge import Knowledge
from bcrlsp.control.stream.loop import Loop
from bcrlsp.control.stream.rows import Decision
from bcrlsp.control.stream.run import Stream
from bcrlsp.control.stream.settings import ControlSettings, KafkaSettings
from bcrlsp.control.stream.tables import Tables
from bcrlsp.control.stream.users import UserStates
from bcrlsp.features import default_feature_set
from bcrlsp.periods import Settings as Period
from bcrlsp.tables import Lake
from bcrlsp.tables import Settings as LakeSettings

USERS = 100_000
AMOUNTS = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0)


class Timed(Tables):
    """Tables that note when a request's decision was committed."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.seen: list[tuple[float, float]] = []

    def write_decisions(self, query: str, batch: int, decisions: Sequence[Decision]) -> None:
        """As always; then the clock is read."""
        super().write_decisions(query, batch, decisions)
        now = time.time()
        self.seen += [(each.time, now) for each in decisions]


def measured(spark: SparkSession, rate: int, seconds: float) -> list[str]:
    """One row: latencies at `rate` requests a second, a commit of requests twice a second."""
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(spark, LakeSettings(root=f"{folder}/lake"))
        calendar = Period().calendar()
        tables = Timed(lake, calendar, "bench", 0.01)
        tables.create()
        period = calendar.index(datetime.now(UTC))
        add_budget(lake, calendar.start(period))
        stop = threading.Event()
        asking = threading.Thread(target=ask, args=(lake.location("requests"), rate, stop))
        stream = made(lake, calendar, tables, period, folder)
        query = stream._start(False)
        asking.start()
        time.sleep(seconds)
        stop.set()
        asking.join()
        end = time.time()
        time.sleep(3)
        query.stop()
        # The first fifth warms up.
        waits = [(done - asked) for asked, done in tables.seen if asked > end - 0.8 * seconds]
        late = [done - asked for asked, done in tables.seen if asked > end - 0.2 * seconds]
        early = [w for (a, d), w in ((x, x[1] - x[0]) for x in tables.seen)
                 if end - 0.8 * seconds < a < end - 0.6 * seconds]  # fmt: skip
        grows = np.median(late) > 1.5 * np.median(early) + 1 if late and early else True
        row = [
            f"{rate:,}", f"{np.median(waits):.2f}", f"{np.percentile(waits, 99):.2f}",
            f"{len(tables.seen) / seconds:,.0f}", "yes" if grows else "no",
        ]  # fmt: skip
        told(" | ".join(row))
        return row


def add_budget(lake: Lake, since: datetime) -> None:
    """A budget that does not bind."""
    schema = pa.schema(
        [("name", pa.string()), ("from_ts", pa.timestamp("us", "UTC")), ("amount", pa.float64())]
    )
    row = pa.Table.from_pylist([{"name": "total", "from_ts": since, "amount": 1e6}], schema)
    writer = lake.spark.createDataFrame(row).write.format("delta").mode("append")
    writer.save(lake.location("control_budgets"))


def made(
    lake: Lake,
    calendar: object,
    tables: Tables,
    period: int,
    folder: str,
    kafka: KafkaSettings | None = None,
) -> Stream:
    """A stream of the default network over made-up users."""
    features = default_feature_set(AMOUNTS, calendar)
    rng = np.random.default_rng(0)
    carry = rng.integers(0, 2**20, (features.words, USERS)).astype(np.uint32)
    rows = pa.table(
        {
            "user_id": [f"u{number}" for number in range(USERS)],
            "segment": ["all"] * USERS,
            "carry": features.pack(carry),
        }
    )
    settings = ControlSettings(port=None, trigger="100 milliseconds", kafka=kafka)
    users = UserStates(lake.spark.createDataFrame(rows), features, period)
    knowledge = Knowledge(
        ArrivalCurve(np.full(WEEK_HOURS, 3.6e6)), ReturnCurve.never(), None, 1.0, ()
    )
    policy = default_policy()

    def open_book(number: int, limits: tuple[Limit, ...]) -> Book:
        span = calendar.start(number).timestamp(), calendar.start(number + 1).timestamp()
        sample = np.arange(400)
        seen = users.states(sample, number), users.segments[sample]
        return Book(number, span, limits, policy, settings, knowledge, seen)

    loop = Loop(users, calendar, settings, AMOUNTS, open_book, tables.limits)
    return Stream(
        lake, settings, calendar, loop, tables, period, f"{folder}/checkpoint", Board(), told
    )


def ask(place: str, rate: int, stop: threading.Event, every: float = 0.5) -> None:
    """Appends requests, each with the time at which it was made, until it is told to stop."""
    rng = np.random.default_rng(1)
    number, last = 0, time.time()
    while not stop.is_set():
        time.sleep(max(0.0, last + every - time.time()))
        now = time.time()
        count = int(rate * (now - last))
        times = np.linspace(last, now, count, endpoint=False)
        last = now
        rows = pa.table(
            {
                "request_id": [f"{number + place}" for place in range(count)],
                "user_id": [f"u{user}" for user in rng.integers(0, USERS, count)],
                "request_ts": pa.array((times * 1e6).astype(np.int64)).cast(
                    pa.timestamp("us", "UTC")
                ),
            }
        )
        number += count
        write_deltalake(place, rows, mode="append", schema_mode="merge")


def main() -> None:
    """Runs it and writes the sections."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rates", type=int, nargs="+", default=[1000, 2000, 4000, 8000])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--dry", action="store_true", help="write nothing")
    arguments = parser.parse_args()
    spark = session.get_session(session.Settings(driver_memory="2g", shuffle_partitions=2))
    rows = [measured(spark, rate, arguments.seconds) for rate in arguments.rates]
    text = "\n\n".join(
        [
            "## Cost control, the stream",
            f"`make bench-control-stream` on {machine()}, shared by Spark, the loop and the writer "
            f"of the requests (a commit every half second). {USERS:,} users, default network, "
            f"{arguments.seconds:.0f} s a row. Seconds from a request's own time to the commit of "
            "its decision.",
            table(["requests/s", "p50 s", "p99 s", "decided/s", "falls behind"], rows),
        ]
    )
    if arguments.dry:
        print(text)
        return
    for page in (PAGE, CONTROL_PAGE):
        write_section("Cost control, the stream", text, Path(page))


if __name__ == "__main__":
    main()
