"""What the policy sees of each user: carried states, moved on by the stream's own events.

A state is that of the start of a period, as in training: the events of a period move it when the
next period begins. All users of the stream are held in the driver's memory.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import DataFrame

from bcrlsp.features import FeatureSet, Records

UNKNOWN = -1
"""Place of a user who had not signed up at the start of the stream's first period."""


@dataclass
class _Period:
    """Events and levels of one period by user: (n,)."""

    events: NDArray[np.int64]
    level: NDArray[np.int64]


class UserStates:
    """Users by place; one thread at a time.

    states: user_id, segment, carry at the start of `period`, as `states_at` returns them.
    period: number of that period. keep: periods back in which late events still count.
    """

    def __init__(
        self, states: DataFrame, feature_set: FeatureSet, period: int, keep: int = 2
    ) -> None:
        rows = states.select("user_id", "segment", "carry").toArrow()
        self._features, self._keep = feature_set, keep
        self.ids: list[str] = rows["user_id"].to_pylist()
        self.segments = np.array(rows["segment"].to_pylist(), dtype=object)
        self._places = {name: place for place, name in enumerate(self.ids)}
        # The carry at the start of the oldest period whose events may still change.
        self._base = period
        self._carry = feature_set.unpack(rows["carry"].to_pylist())
        self._periods: dict[int, _Period] = {}
        self._seen: dict[int, set[tuple[int, int, str]]] = {}
        self._folded: dict[int, Any] = {}
        self.late_events = 0

    def places(self, user_ids: Iterable[str]) -> NDArray[np.intp]:
        """Place of each user, UNKNOWN where there is none."""
        return np.array([self._places.get(name, UNKNOWN) for name in user_ids], np.intp)

    def states(self, places: NDArray[np.intp], period: int) -> NDArray[np.float32]:
        """Features of users (m,) at the start of `period`: (m, d), float32."""
        return self._features.features(self._at(period)[:, places], period)

    def add_event(self, user_id: str, period: int, moment: int, kind: str) -> None:
        """One activity event; the same again (by user, moment and kind) is ignored."""
        place = self._places.get(user_id, UNKNOWN)
        if place == UNKNOWN:
            return
        if period < self._base:
            self.late_events += 1
            return
        seen = self._seen.setdefault(period, set())
        if (place, moment, kind) not in seen:
            seen.add((place, moment, kind))
            self._of(period).events[place] += 1
            self._changed(period)

    def add_level(self, place: int, period: int, level: int) -> None:
        """A level that was sent; of several in a period the highest counts, as in training."""
        if level and period >= self._base:
            held = self._of(period).level
            held[place] = max(held[place], level)
            self._changed(period)

    def _at(self, period: int) -> Any:
        """The carry of all users at the start of `period`: (w, n)."""
        while self._base < period - self._keep:
            self._carry = self._moved(self._carry, self._base)
            self._periods.pop(self._base, None)
            self._seen.pop(self._base, None)
            self._base += 1
        if period not in self._folded:
            carry = self._carry
            for earlier in range(self._base, period):
                carry = self._moved(carry, earlier)
            self._folded = {period: carry}
        return self._folded[period]

    def _moved(self, carry: Any, period: int) -> Any:
        n = len(self.ids)
        nothing = _Period(np.zeros(n, np.int64), np.zeros(n, np.int64))
        held = self._periods.get(period, nothing)
        known = np.ones(n, bool)
        return self._features.update(carry, Records(known, held.events, held.level))

    def _of(self, period: int) -> _Period:
        if period not in self._periods:
            n = len(self.ids)
            self._periods[period] = _Period(np.zeros(n, np.int64), np.zeros(n, np.int64))
        return self._periods[period]

    def _changed(self, period: int) -> None:
        for later in [number for number in self._folded if number > period]:
            del self._folded[later]
