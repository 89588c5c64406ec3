"""What a controller is, and what all of them are given before the day begins."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bcrlsp.control.forecast import ArrivalCurve, ReturnCurve
from bcrlsp.control.watch import Position, Sample, Steer, Watch

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Past:
    """What the log has taught.

    arrivals, returns: see `forecast`. sample: users of past days, in the budgets' order.
    amounts: (a,), money. prices: (k,), of one past day's optimum, where the day begins.
    spend: (s, k), commitments by slot of that day; None where it is not known.
    measures: (k,), "cost" or "count".
    """

    arrivals: ArrivalCurve
    returns: ReturnCurve
    sample: Sample
    amounts: Floats
    prices: Floats
    measures: tuple[str, ...]
    spend: Floats | None = None


class Controller(Protocol):
    """Moves prices; one for one period."""

    def step(self, now: float, position: Position, watch: Watch) -> Steer:
        """Prices from now on. now: seconds since 1970."""
        ...


class SpendPlan:
    """Commitments that a day is to have made by a time, learned from one past day's optimum.

    Where limits change, what is still to come is scaled with them.
    """

    def __init__(self, past: Past) -> None:
        self._past = past
        self._first: Floats | None = None

    def by(self, now: float, position: Position, watch: Watch) -> Floats:
        """Face value, (k,), that was to be committed by `now`; without a past day: the limits by
        the share of requests that the arrival curve expects by now."""
        scale = self.scale(position)
        if self._past.spend is None:
            whole = self._past.arrivals.expected(watch.start, watch.end)
            done = self._past.arrivals.expected(watch.start, min(now, watch.end))
            limit = np.where(np.isfinite(position.limit), position.limit, 0.0)
            return np.asarray(limit * done / max(whole, 1.0))
        slots = (now - watch.start) / (watch.end - watch.start) * len(self._past.spend)
        whole_slots = int(np.clip(slots, 0, len(self._past.spend)))
        total = self._past.spend[:whole_slots].sum(axis=0)
        if whole_slots < len(self._past.spend):
            total = total + (slots - whole_slots) * self._past.spend[whole_slots]
        return np.asarray(total * scale)

    def scale(self, position: Position) -> Floats:
        """Limits in relation to those of the period's start: (k,)."""
        if self._first is None:
            self._first = position.limit
        known = np.isfinite(position.limit) & np.isfinite(self._first) & (self._first > 0)
        return np.where(known, position.limit / np.where(known, self._first, 1.0), 1.0)

    def whole(self, position: Position) -> Floats:
        """Commitments of the whole period: (k,), above 0."""
        if self._past.spend is None:
            return np.where(np.isfinite(position.limit), np.maximum(position.limit, 1e-9), 1e15)
        return np.asarray(np.maximum(self._past.spend.sum(axis=0) * self.scale(position), 1e-9))
