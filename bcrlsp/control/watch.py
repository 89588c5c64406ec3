"""What has been seen of the day so far: requests, commitments and a sample of users."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bcrlsp.control.ledger import Line

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Sample:
    """Users as the price sees them.

    gain: (n, a), value above that of level 0; -inf where a level is not possible.
    cost: (n, a), money, expected to be redeemed. counted: (n, k) bool, by which budgets.
    """

    gain: Floats
    cost: Floats
    counted: NDArray[np.bool_]

    def joined(self, other: "Sample", most: int) -> "Sample":
        """The last `most` users of this sample and the other."""
        return Sample(
            np.vstack([self.gain, other.gain])[-most:],
            np.vstack([self.cost, other.cost])[-most:],
            np.vstack([self.counted, other.counted])[-most:],
        )


class Watch:
    """The day in slots of `width` seconds from `start`; budgets in the order of `names`.

    One writer, any readers.
    """

    def __init__(
        self, names: Sequence[str], start: float, end: float, width: float = 300.0
    ) -> None:
        self.names, self.start, self.end, self.width = tuple(names), start, end, width
        slots = max(1, int(np.ceil((end - start) / width)))
        self.requests = np.zeros(slots)
        # Face value and expected redemption of what was sent, by slot and budget.
        self.face = np.zeros((slots, len(self.names)))
        self.expected = np.zeros((slots, len(self.names)))
        self.sample: Sample | None = None

    @property
    def middles(self) -> Floats:
        """Middle of each slot, seconds since 1970."""
        return np.asarray(
            self.start + self.width * (np.arange(len(self.requests)) + 0.5), np.float64
        )

    def rate(self, least: float) -> float | None:
        """Share of the first budget's commitments that is expected to be redeemed; None where less
        than `least` money has been committed."""
        face = float(self.face[:, 0].sum())
        return float(self.expected[:, 0].sum()) / face if face >= least else None

    def slot(self, now: float) -> int:
        """Number of the slot of an instant; the first or last for one outside."""
        return int(np.clip((now - self.start) // self.width, 0, len(self.requests) - 1))

    def record(
        self,
        now: float,
        requests: int,
        face: Floats,
        expected: Floats,
        sample: Sample | None = None,
        most: int = 1000,
    ) -> None:
        """Adds a batch: face and expected (k,), in the budgets' own units (money, or users)."""
        slot = self.slot(now)
        self.requests[slot] += requests
        self.face[slot] += face
        self.expected[slot] += expected
        if sample is not None and len(sample.gain):
            self.sample = sample if self.sample is None else self.sample.joined(sample, most)


@dataclass(frozen=True)
class Position:
    """Money of the budgets at one instant, in the order of the watch; arrays (k,), money or users.

    limit: inf where nothing bounds it. used: redeemed and out.
    """

    limit: Floats
    redeemed: Floats
    out: Floats

    @staticmethod
    def of(lines: Sequence[Line], names: Sequence[str], unit: float) -> "Position":
        """From a ledger's lines."""
        by = {line.name: line for line in lines}
        scale = np.array([unit if by[name].measure == "cost" else 1.0 for name in names])

        def column(values: Sequence[float | None]) -> Floats:
            held = np.array([np.inf if v is None else v for v in values], np.float64)
            return np.asarray(held * scale)

        held = [by[name] for name in names]
        return Position(
            column([line.limit for line in held]),
            column([line.redeemed for line in held]),
            column([line.out for line in held]),
        )

    @property
    def used(self) -> Floats:
        """What counts against the limits."""
        return self.redeemed + self.out

    @property
    def room(self) -> Floats:
        """What may still be committed."""
        return self.limit - self.used


@dataclass(frozen=True)
class Steer:
    """What a controller says: by budget the price of money, and the share that holding pays.

    See `PriceRule`: a bonus costs price x (expected + holding x (face - expected)).
    """

    prices: Floats
    holding: Floats
