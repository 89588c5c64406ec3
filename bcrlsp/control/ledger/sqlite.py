"""A ledger's store in one SQLite file: for several processes on one machine, and across crashes.

A transaction begins with BEGIN IMMEDIATE, so that a room that was read is still there when it is
used, whichever process comes between. Every commit is synced to the disk.
"""

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from threading import Lock

from bcrlsp.control.ledger.entries import Entry, Line, State
from bcrlsp.errors import DataError

_TABLES = """
CREATE TABLE IF NOT EXISTS lines (
  place INTEGER PRIMARY KEY, name TEXT UNIQUE, measure TEXT, most INTEGER,
  redeemed INTEGER NOT NULL, out INTEGER NOT NULL, scope TEXT);
CREATE TABLE IF NOT EXISTS entries (
  id TEXT PRIMARY KEY, state INTEGER, level INTEGER, face INTEGER, charges TEXT, until REAL,
  amount INTEGER) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS due ON entries (until) WHERE state = 1;
CREATE TABLE IF NOT EXISTS counts (name TEXT PRIMARY KEY, value REAL);
"""
_ENTRY = "id, state, level, face, charges, until, amount"
_AT_ONCE = 500


class SqliteStore:
    """See `Store`.

    path: the file, made where there is none. patience: seconds to wait for other processes.
    Raises DataError where the file is no ledger.
    """

    def __init__(self, path: str | os.PathLike[str], patience: float = 30.0) -> None:
        self._path, self._patience = Path(path), patience
        self._lock = Lock()
        self._process, self._connection = os.getpid(), self._connect()

    def transaction(self) -> AbstractContextManager[None]:
        """Alone among all threads and processes with the file."""
        return self._transaction()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            if os.getpid() != self._process:  # a connection must not cross a fork
                self._process, self._connection = os.getpid(), self._connect()
            self._begin()
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def lines(self) -> list[Line]:
        """See `Store.lines`."""
        rows = self._connection.execute(
            "SELECT name, measure, most, redeemed, out, scope FROM lines ORDER BY place"
        )
        return [Line(*row) for row in rows]

    def find(self, ids: Iterable[str]) -> dict[str, Entry]:
        """See `Store.find`."""
        wanted = list(ids)
        found: dict[str, Entry] = {}
        for start in range(0, len(wanted), _AT_ONCE):
            part = wanted[start : start + _AT_ONCE]
            marks = ",".join("?" * len(part))
            query = f"SELECT {_ENTRY} FROM entries WHERE id IN ({marks})"
            found.update(_entry(row) for row in self._connection.execute(query, part))
        return found

    def due(self, until: float) -> dict[str, Entry]:
        """See `Store.due`."""
        query = f"SELECT {_ENTRY} FROM entries WHERE state = 1 AND until <= ?"
        return dict(_entry(row) for row in self._connection.execute(query, (until,)))

    def counts(self) -> dict[str, float]:
        """See `Store.counts`."""
        return dict(self._connection.execute("SELECT name, value FROM counts"))

    def apply(
        self, entries: Mapping[str, Entry], lines: Sequence[Line], counts: Mapping[str, float]
    ) -> None:
        """See `Store.apply`."""
        run = self._connection.executemany
        run(
            f"INSERT OR REPLACE INTO entries ({_ENTRY}) VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                (name, int(e.state), e.level, e.face, json.dumps(e.charges), e.until, e.amount)
                for name, e in entries.items()
            ],
        )
        run(
            "INSERT OR REPLACE INTO lines (place, name, measure, most, redeemed, out, scope) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                (place, line.name, line.measure, line.limit, line.redeemed, line.out, line.scope)
                for place, line in enumerate(lines)
            ],
        )
        run("INSERT OR REPLACE INTO counts (name, value) VALUES (?, ?)", list(counts.items()))

    def _begin(self) -> None:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            raise DataError(
                f"the ledger {self._path} cannot be used ({error}); another process holds it, or "
                "the file cannot be written"
            ) from None

    def _connect(self) -> sqlite3.Connection:
        try:
            connection = sqlite3.connect(
                self._path, timeout=self._patience, isolation_level=None, check_same_thread=False
            )
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.executescript(_TABLES)
            _complete(connection)
        except sqlite3.Error as error:
            raise DataError(
                f"{self._path} is no ledger that can be opened ({error}); give another file"
            ) from None
        return connection


def _complete(connection: sqlite3.Connection) -> None:
    """Adds what files of earlier versions do not have."""
    columns = {row[1] for row in connection.execute("PRAGMA table_info(lines)")}
    if "scope" not in columns:
        try:
            connection.execute("ALTER TABLE lines ADD COLUMN scope TEXT")
        except sqlite3.OperationalError as error:
            if "duplicate column" not in str(error):  # another process was first
                raise


def _entry(row: tuple[str, int, int, int, str, float | None, int]) -> tuple[str, Entry]:
    name, state, level, face, charges, until, amount = row
    return name, Entry(State(state), level, face, tuple(json.loads(charges)), until, amount)
