"""A ledger's store in memory: for the threads of one process; it ends with the process."""

import heapq
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from threading import Lock

from bcrlsp.control.ledger.entries import Entry, Line, State


class MemoryStore:
    """See `Store`."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._lines: list[Line] = []
        self._entries: dict[str, Entry] = {}
        self._counts: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []

    def transaction(self) -> AbstractContextManager[None]:
        """The store's lock."""
        return _Held(self._lock)

    def lines(self) -> list[Line]:
        """See `Store.lines`."""
        return list(self._lines)

    def find(self, ids: Iterable[str]) -> dict[str, Entry]:
        """See `Store.find`."""
        held = self._entries
        return {each: held[each] for each in ids if each in held}

    def due(self, until: float) -> dict[str, Entry]:
        """See `Store.due`."""
        found: dict[str, Entry] = {}
        taken = []
        while self._heap and self._heap[0][0] <= until:
            taken.append(heapq.heappop(self._heap))
            name = taken[-1][1]
            if self._entries[name].state == State.OUT:
                found[name] = self._entries[name]
        for pair in taken:
            # Until `apply` has let it go it stays due.
            if pair[1] in found:
                heapq.heappush(self._heap, pair)
        return found

    def counts(self) -> dict[str, float]:
        """See `Store.counts`."""
        return dict(self._counts)

    def apply(
        self, entries: Mapping[str, Entry], lines: Sequence[Line], counts: Mapping[str, float]
    ) -> None:
        """See `Store.apply`."""
        for name, entry in entries.items():
            if entry.state == State.OUT and entry.until is not None:
                heapq.heappush(self._heap, (entry.until, name))
        self._entries.update(entries)
        self._lines = list(lines)
        self._counts.update(counts)


class _Held:
    def __init__(self, lock: Lock) -> None:
        self._lock = lock

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()
