"""Dual mirror descent with a target spend curve from one past day.

Balseiro, Kumar, Mirrokni, Sivan and Wang, Robust budget pacing with a single sample (ICML 2023):
each request may spend what the optimum of the sampled day spent on the request of its time; the
dual moves against the difference. With entropy as the mirror map the price moves by a factor.
"""

import numpy as np
from numpy.typing import NDArray

from bcrlsp.control.controllers.base import Past, SpendPlan
from bcrlsp.control.watch import Position, Steer, Watch

Floats = NDArray[np.float64]


class MirrorDescent:
    """See the module.

    past: with `spend`, the past day's commitments by slot. rate: factor of the price's logarithm
    for a difference of the whole budget; of the order of the square root of the number of steps.
    holding: see `Steer`.
    """

    def __init__(
        self, past: Past, rate: float = 8.0, floor: float = 0.02, holding: float = 0.0
    ) -> None:
        top = max(float(past.prices.max(initial=0.0)), 1e-9)
        self._past, self._plan, self._rate = past, SpendPlan(past), rate
        self._holding = holding
        self._floor = np.maximum(floor * past.prices, floor * 0.1 * top)
        self._prices = np.maximum(past.prices, self._floor)
        self._done: tuple[float, Floats, float] | None = None

    def step(self, now: float, position: Position, watch: Watch) -> Steer:
        """See `Controller`."""
        requests, spent = float(watch.requests.sum()), watch.face.sum(axis=0)
        before, spent_before, since = self._done or (0.0, np.zeros_like(spent), watch.start)
        self._done = (requests, spent, now)
        # What the requests of this time may spend, as those of the sampled day did.
        planned = self._past.arrivals.expected(since, now)
        target = self._plan.by(now, position, watch) - self._plan.by(since, position, watch)
        allowed = target * ((requests - before) / planned if planned > 0 else 0.0)
        excess = (spent - spent_before - allowed) / self._plan.whole(position)
        step = np.clip(self._rate * excess, -0.5, 0.5)
        self._prices = np.maximum(self._prices * np.exp(step), self._floor)
        return Steer(self._prices, np.full(len(self._prices), self._holding))
