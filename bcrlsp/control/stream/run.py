"""The streaming query: micro-batches through the loop, into the tables, exactly once.

One query a session. A micro-batch that is run again after a crash finds the decisions that it left,
and lets them stand; each write is kept once by the query's id and the batch's number.
"""

import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Event
from typing import Any

import numpy as np
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame
from pyspark.sql.streaming.query import StreamingQuery

from bcrlsp.control.monitor import Bands, Board, alarms
from bcrlsp.control.stream.loop import Loop, Taken
from bcrlsp.control.stream.rows import Batch
from bcrlsp.control.stream.settings import ControlSettings
from bcrlsp.control.stream.sources import events
from bcrlsp.control.stream.tables import Tables
from bcrlsp.errors import ConflictError
from bcrlsp.periods import Calendar
from bcrlsp.tables import Lake


class Stream:
    """A control loop on Spark.

    loop: what decides. tables: where it writes. first: number of the first period.
    checkpoint: folder or URI. board: what the page shows.
    """

    def __init__(
        self,
        lake: Lake,
        settings: ControlSettings,
        calendar: Calendar,
        loop: Loop,
        tables: Tables,
        first: int,
        checkpoint: str,
        board: Board,
        say: Callable[[str], None],
    ) -> None:
        self._lake, self._settings, self._calendar = lake, settings, calendar
        self._loop, self._tables, self._first = loop, tables, first
        self._checkpoint, self._board, self._say = checkpoint, board, say
        self._started = datetime.now(UTC)
        self._query_id = ""
        self._known = Event()
        self._restored = False
        self._looked = time.monotonic()
        self._failure: BaseException | None = None
        self.requests = self.duplicates = 0
        self.decided = 0

    def run(self, drain: bool) -> None:
        """Until it is stopped; with `drain` until everything there is has been taken in.

        Raises what a micro-batch raised: a BcrlspError as it is.
        """
        query = self._start(drain)
        try:
            query.awaitTermination()
        except PySparkException:
            if self._failure is not None:
                raise self._failure from None
            raise
        except KeyboardInterrupt:
            query.stop()
        if self._failure is not None:
            raise self._failure

    def _start(self, drain: bool) -> StreamingQuery:
        rows = events(self._lake, self._settings, self._calendar.start(self._first))
        writer = rows.writeStream.foreachBatch(self._batch)
        writer = writer.option("checkpointLocation", self._checkpoint).queryName("bcrlsp-control")
        if drain:
            writer = writer.trigger(availableNow=True)
        else:
            writer = writer.trigger(processingTime=self._settings.trigger)
        query = writer.start()
        self._query_id = str(query.id)
        self._known.set()
        return query

    def _batch(self, rows: DataFrame, number: int) -> None:
        self._known.wait()
        try:
            self._take(rows, number)
        except BaseException as error:
            self._failure = error
            raise

    def _take(self, rows: DataFrame, number: int) -> None:
        batch = Batch.of(rows.toArrow().to_pylist())
        again, done = None, False
        if not self._restored:
            # Decisions are written first, then the ledger: either both, one or none are there.
            done = self._tables.has_changes(self._query_id, number)
            self._restore(number + done)
            again = {
                each.request_id: each for each in self._tables.decisions_of(self._query_id, number)
            }
        self._alone()
        taken = self._loop.take(Batch(activity=batch.activity) if done else batch, again)
        query, tables = self._query_id, self._tables
        tables.write_decisions(query, number, taken.decisions)
        tables.write_changes(query, number, taken.changes)
        tables.write_malformed(batch.malformed)
        self.requests += len(batch.requests)
        self.duplicates += taken.duplicates
        self.decided += len(taken.decisions)
        self._report(number, batch, taken)

    def _restore(self, number: int) -> None:
        """What earlier batches left, of this checkpoint and of those before it."""
        since, tables = self._first, self._tables
        decisions = tables.decisions(since, self._query_id, number)
        if decisions:
            self._say(f"  goes on after {len(decisions):,} decisions")
        self._loop.restore(decisions, tables.changes(since, self._query_id, number))
        self._restored = True

    def _alone(self) -> None:
        """Two loops over one budget would each spend it."""
        if time.monotonic() - self._looked < self._settings.budgets_every:
            return
        self._looked = time.monotonic()
        other = self._tables.others(self._query_id, self._started)
        if other is not None:
            raise ConflictError(
                f"another control loop ({other}) decides on the same tables; stop one of them"
            )

    def _report(self, number: int, batch: Batch, taken: Taken) -> None:
        book = self._loop.current()
        if book is None:
            if taken.decisions:
                self._say("  no budget in control_budgets: nothing is sent")
            return
        names, position = book.names, book.position
        event = self._loop.now if np.isfinite(self._loop.now) else self._started.timestamp()
        planned = book.planned(event)
        lags = [time.time() - each.time for each in taken.decisions]
        lag = float(np.median(lags)) if lags else None
        found = alarms(
            names, position, planned, book.ledger.counts(), lag,
            Bands(self._settings.pace_band, self._settings.lag_alarm),
        )  # fmt: skip

        def named(values: Any) -> dict[str, float]:
            pairs = zip(names, values, strict=True)
            return {name: float(value) for name, value in pairs if np.isfinite(value)}

        levels = Counter(str(each.level) for each in taken.decisions)
        shared: dict[str, Any] = {
            "requests": len(batch.requests),
            "duplicates": taken.duplicates,
            "prices": book.rule.prices,
            "limits": named(position.limit),
            "redeemed": named(position.redeemed),
            "out": named(position.out),
            "planned": named(planned),
            "levels": dict(levels),
        }
        period = self._calendar.start(book.period).strftime("%Y-%m-%dT%H:%M")
        self._board.put(
            shared
            | {
                "batch": number, "period": period, "event": event, "lag": lag, "alarms": found,
                "waiting": self._loop.waiting,
            }
        )  # fmt: skip
        status = shared | {
            "status_ts": datetime.now(UTC),
            "event_ts": datetime.fromtimestamp(event, UTC),
            "period": book.period,
            "lag_seconds": lag,
            "alarms": "; ".join(found) or None,
        }
        self._tables.write_status(self._query_id, number, status)
