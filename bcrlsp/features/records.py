"""What happened to users in a period, and the bits that a history keeps of it.

A history is a set of planes: one bit a period, newest first, 32 periods to a word. Counts are kept
in binary, one plane a digit. So every carried state has one fixed, small size, is a function of the
last 32 records alone, and one more period is a shift and an or.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bcrlsp.arrays import as_flags, counts
from bcrlsp.errors import DataError

MEMORY = 32
"""Periods that a carry remembers."""

EVENT_DIGITS = 6
MOST_EVENTS = 2**EVENT_DIGITS - 1
"""Events of one user and period beyond this count as this many."""


@dataclass(frozen=True, eq=False)
class Records:
    """What happened to users in periods; all arrays of one shape, (n,) or (p, n).

    known: bool, the user had signed up by the end of the period. Else the rest is ignored.
    events: int, number of activity events in the period (0: not active).
    level: int, bonus level sent in the period (0: none).

    Other numeric types are taken where they hold the same values. DataError for others: a level of
    1.7, a number below 0, shapes that differ.
    """

    known: NDArray[Any]
    events: NDArray[Any]
    level: NDArray[Any]

    def __post_init__(self) -> None:
        object.__setattr__(self, "known", as_flags(self.known, "known"))
        for name in ("events", "level"):
            object.__setattr__(self, name, counts(getattr(self, name), name))
        shapes = {self.known.shape, self.events.shape, self.level.shape}
        if len(shapes) > 1:
            raise DataError(
                f"records of different shapes: known {self.known.shape}, events "
                f"{self.events.shape}, level {self.level.shape}; give one entry a user and period"
            )


def record_of(level: ArrayLike, returned: ArrayLike, events: ArrayLike = 1) -> Records:
    """A made-up record, for planning: users are sent `level` and return or not.

    level: array (n,), int. returned: array (n,), bool. events: number of events of one that
    returns, array (n,) or one number. The shapes are broadcast.
    """
    levels, back, made = np.broadcast_arrays(level, as_flags(returned, "returned"), events)
    return Records(
        known=np.ones(levels.shape, dtype=bool),
        events=np.where(back, made, 0),
        level=levels,
    )


@dataclass(frozen=True)
class Plane:
    """One kind of bit that a history keeps.

    width: words a user, from the number of levels above 0.
    bits: records of shape s -> bool array (width, *s).
    """

    width: Callable[[int], int]
    bits: Callable[[Records, int], NDArray[np.bool_]]


def _digits(records: Records) -> NDArray[np.bool_]:
    counts = np.minimum(records.events, MOST_EVENTS).astype(np.int64)
    return np.stack([(counts >> digit) & 1 == 1 for digit in range(EVENT_DIGITS)])


def _by_level(records: Records, levels: int) -> NDArray[np.bool_]:
    return np.stack([records.level == level for level in range(1, levels + 1)])


PLANES: Mapping[str, Plane] = {
    "known": Plane(lambda _: 1, lambda r, _: r.known[None]),
    "active": Plane(lambda _: 1, lambda r, _: (r.events > 0)[None]),
    # A return under a bonus is weaker evidence of habit than one without.
    "free": Plane(lambda _: 1, lambda r, _: ((r.events > 0) & (r.level == 0))[None]),
    "sent": Plane(lambda _: 1, lambda r, _: (r.level > 0)[None]),
    "events": Plane(lambda _: EVENT_DIGITS, lambda r, _: _digits(r)),
    "level": Plane(lambda levels: levels, _by_level),
    "answered": Plane(lambda levels: levels, lambda r, n: _by_level(r, n) & (r.events > 0)),
}
"""All planes by name. "level" and "answered" have one word for each level above 0: sent at that
level, and active in a period in which it was sent."""
