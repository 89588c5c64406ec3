"""A PID rule with hysteresis, one budget after the other.

The common rule of ad pacing: the price follows the difference between spend and plan, and moves
only while that is outside a band (with hysteresis as in arXiv 2509.25429).
"""

import numpy as np
from numpy.typing import NDArray

from bcrlsp.control.controllers.base import Past, SpendPlan
from bcrlsp.control.watch import Position, Steer, Watch

Floats = NDArray[np.float64]


class Pid:
    """See the module.

    past: what the log has taught. gains: proportional, integral and derivative, on the logarithm of
    the price a step, of commitments less plan as a share of the period's plan. band: the price
    begins to move where that is beyond it, and stops at half of it. floor: share of its first price
    that a price never falls below, for a price of 0 could never rise again. holding: see `Steer`.
    """

    def __init__(
        self,
        past: Past,
        gains: tuple[float, float, float] = (0.05, 0.002, 30.0),
        band: float = 0.005,
        floor: float = 0.02,
        holding: float = 0.0,
    ) -> None:
        self._plan, self._gains, self._band = SpendPlan(past), gains, band
        self._holding = holding
        top = max(float(past.prices.max(initial=0.0)), 1e-9)
        self._floor = np.maximum(floor * past.prices, floor * 0.1 * top)
        self._prices = np.maximum(past.prices, self._floor)
        self._before: Floats | None = None
        self._sum = np.zeros(len(past.prices))
        self._moving = np.zeros(len(past.prices), bool)

    def step(self, now: float, position: Position, watch: Watch) -> Steer:
        """See `Controller`."""
        planned = self._plan.by(now, position, watch)
        whole = self._plan.whole(position)
        error = np.clip((watch.face.sum(axis=0) - planned) / whole, -1, 1)
        change = np.zeros_like(error) if self._before is None else error - self._before
        self._before = error
        self._moving = np.where(np.abs(error) > self._band, True, self._moving)
        self._moving &= np.abs(error) > self._band / 2
        self._sum = np.where(self._moving, 0.99 * self._sum + error, self._sum)
        p, i, d = self._gains
        move = np.where(self._moving, p * error + i * self._sum + d * change, 0.0)
        self._prices = np.maximum(self._prices * np.exp(np.clip(move, -0.5, 0.5)), self._floor)
        return Steer(self._prices, np.full(len(self._prices), self._holding))
