"""A feature set: one declaration that serves whole histories, one more period, and planning.

The carry is the compact state of users' histories: array (w, n), uint32. A batch is the fold of
`update` over periods, a new day one `update` of the carried state, and the next state of a user
given a level and an outcome one `update` with a made-up record (`record_of`). The three cannot
differ.
"""

import hashlib
import itertools
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bcrlsp.errors import ConfigError, DataError
from bcrlsp.features import reads
from bcrlsp.features.records import MEMORY, PLANES, Records
from bcrlsp.periods import Calendar

Carry = NDArray[np.uint32]

# Users whose features are computed at once: their values stay in the processor's cache.
_CHUNK = 4096
_MONDAY = datetime(1970, 1, 5)


@dataclass(frozen=True)
class Feature:
    """One column of the state.

    name: its name; meaning: what it says, with its unit.
    read: name of a function in `reads.READS`, or "sin" or "cos" of the calendar.
    planes: names of the planes it reads.
    arguments: further arguments of the read; for sin and cos the cycle in days.
    """

    name: str
    meaning: str
    read: str
    planes: tuple[str, ...] = ()
    arguments: tuple[float, ...] = ()


@dataclass(frozen=True)
class FeatureSet:
    """The declared features over `amounts` and `calendar`.

    declared: the columns, in order.
    amounts: face value of each level, in money; amounts[0] is 0.
    calendar: the grid of periods.
    """

    declared: tuple[Feature, ...]
    amounts: tuple[float, ...]
    calendar: Calendar
    _words: dict[str, slice] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        rising = all(low < high for low, high in itertools.pairwise(self.amounts))
        if not self.amounts or self.amounts[0] != 0 or not rising or self.amounts[-1] == math.inf:
            raise ConfigError(
                f"amounts {self.amounts}; allowed: finite numbers, the first 0, each above the one "
                "before"
            )
        words: dict[str, slice] = {}
        place = 0
        used = {plane for feature in self.declared for plane in feature.planes}
        for name, plane in PLANES.items():
            if name in used:
                width = plane.width(self.levels - 1)
                words[name] = slice(place, place + width)
                place += width
        object.__setattr__(self, "_words", words)

    @property
    def levels(self) -> int:
        """Number of levels, level 0 included."""
        return len(self.amounts)

    @property
    def names(self) -> list[str]:
        """Names of the columns, in order."""
        return [feature.name for feature in self.declared]

    @property
    def meanings(self) -> dict[str, str]:
        """What each column says."""
        return {feature.name: feature.meaning for feature in self.declared}

    @property
    def width(self) -> int:
        """Number of columns (d)."""
        return len(self.declared)

    @property
    def words(self) -> int:
        """Words of a carry (w)."""
        return max((part.stop for part in self._words.values()), default=0)

    @property
    def hash(self) -> str:
        """Content hash: equal exactly where the same history gives the same numbers."""
        content = {
            "version": reads.VERSION,
            "memory": MEMORY,
            "features": [
                [f.name, f.read, f.planes, [float(a) for a in f.arguments]] for f in self.declared
            ],
            "amounts": [float(amount) for amount in self.amounts],
            "hours": self.calendar.length / timedelta(hours=1),
        }
        if zone := self.calendar.identity["zone"]:
            content["zone"] = zone
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]

    def init(self, n: int) -> Carry:
        """The carry of n users without a history: array (w, n), uint32."""
        return np.zeros((self.words, n), dtype=np.uint32)

    def bits(self, records: Records) -> Carry:
        """What each word gains from records of shape s: array (w, *s), uint32 of 0 and 1.

        DataError for a level that `amounts` does not have.
        """
        most = records.level.max(initial=0)
        if most >= self.levels:
            raise DataError(
                f"level {most} in a record and amounts has {self.levels} levels; allowed: 0 to "
                f"{self.levels - 1}"
            )
        gained = np.empty((self.words, *records.known.shape), dtype=np.uint32)
        for name, part in self._words.items():
            gained[part] = PLANES[name].bits(records, self.levels - 1) & records.known
        return gained

    def update(self, carry: Carry, records: Records) -> Carry:
        """The carry one period later. carry: (w, n); records: arrays (n,)."""
        return (carry << np.uint32(1)) | self.bits(records)

    def fold(self, carry: Carry, records: Records) -> Carry:
        """The carries at the start of each period and after the last: array (w, p + 1, n).

        carry: (w, n), at the start of the first period; records: arrays (p, n).
        """
        gained = self.bits(records)
        periods, n = records.known.shape
        carries = np.empty((self.words, periods + 1, n), dtype=np.uint32)
        carries[:, 0] = carry
        for p in range(periods):
            np.left_shift(carries[:, p], np.uint32(1), out=carries[:, p + 1])
            carries[:, p + 1] |= gained[:, p]
        return carries

    def features(self, carry: Carry, period: ArrayLike) -> NDArray[np.float32]:
        """The state of users at the start of a period: array (n, d), float32.

        carry: (w, n). period: number of the period, one for all or array (n,).
        """
        n = carry.shape[1]
        periods = np.broadcast_to(np.asarray(period, dtype=np.int64), (n,))
        out = np.empty((n, self.width), dtype=np.float32)
        for start in range(0, n, _CHUNK):
            part = slice(start, min(start + _CHUNK, n))
            columns = np.empty((self.width, part.stop - start), dtype=np.float32)
            for column, feature in zip(columns, self.declared, strict=True):
                column[:] = self._read(feature, carry[:, part], periods[part])
            out[part] = columns.T
        return out

    def pack(self, carry: Carry) -> list[bytes]:
        """The carry of each user as bytes (little-endian words)."""
        size = 4 * self.words
        held = np.ascontiguousarray(carry.T, dtype="<u4").tobytes()
        return [held[start : start + size] for start in range(0, len(held), size)]

    def unpack(self, packed: Sequence[bytes]) -> Carry:
        """The carry (w, n) of users from their bytes; DataError when a length differs."""
        held = b"".join(packed)
        if len(held) != 4 * self.words * len(packed):
            raise DataError(
                f"carried states of {len(held) // max(len(packed), 1)} bytes a user do not belong "
                f"to feature set {self.hash} ({4 * self.words} bytes); "
                "rebuild them with `bcrlsp trajectories --force`"
            )
        return np.frombuffer(held, dtype="<u4").reshape(len(packed), self.words).T.astype(np.uint32)

    def _read(self, feature: Feature, carry: Carry, period: NDArray[np.int64]) -> ArrayLike:
        if feature.read in ("sin", "cos"):
            cycle = timedelta(days=feature.arguments[0])
            # Counted from one period of the grid, whichever the origin names: the same numbers.
            anchor = self.calendar.anchor
            offset = (self.calendar.local_start(anchor) - _MONDAY) / cycle
            turns = offset + (period - anchor) * (self.calendar.length / cycle)
            wave = np.sin if feature.read == "sin" else np.cos
            return np.asarray(wave(2 * np.pi * (turns % 1.0)))
        words = (carry[self._words[plane]] for plane in feature.planes)
        return reads.READS[feature.read](*words, *(int(a) for a in feature.arguments))
