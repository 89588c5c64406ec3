"""The mode `expected`: commits more than the budget, for not everything is redeemed.

No hard bound then, but one that holds with a stated probability: face value is committed until the
money that will be redeemed of it stays within the budget with the quantile asked for.
"""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from bcrlsp.control.watch import Position
from bcrlsp.errors import UserError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Overbooking:
    """Limits of commitments that keep redeemed money within a budget with a probability.

    quantile: that probability. rate: share of face value that is redeemed, from the log. spread:
    standard deviation between days of the logarithm of that rate, from the log. bonus: money, the
    usual face value of one bonus.
    Raises UserError for numbers out of range.
    """

    quantile: float
    rate: float
    spread: float
    bonus: float

    def __post_init__(self) -> None:
        if not 0.5 < self.quantile < 1:
            raise UserError(f"quantile is {self.quantile}; allowed: above 0.5, below 1")
        for name, low in (("rate", 0.0), ("bonus", 0.0)):
            if not getattr(self, name) > low:
                raise UserError(f"{name} is {getattr(self, name)}; allowed: above {low}")
        if not self.spread >= 0:
            raise UserError(f"spread is {self.spread}; allowed: at least 0")

    def limits(
        self, budgets: Floats, position: Position, rate: float | None = None
    ) -> tuple[Floats, Position]:
        """Limits (k,) to commit against in place of the budgets (k,), money; and the position that
        a controller plans from, in money that is expected to be redeemed.

        The largest face value F beside what is redeemed, with F * rate + z * sd(F) within the
        budget's rest; sd of a sum of single redemptions and of a rate that differs between days.
        Never below the hard limit. rate: as seen today, where enough has been.
        """
        rate = self.rate if rate is None else rate
        rest = np.maximum(budgets - position.redeemed, 0.0)
        z = NormalDist().inv_cdf(self.quantile)
        low, high = np.zeros_like(rest), rest / rate
        for _ in range(60):
            face = (low + high) / 2
            once = face * self.bonus * rate * max(1 - rate, 0.0)
            fits = face * rate + z * np.sqrt(once + (face * rate * self.spread) ** 2) <= rest
            low, high = np.where(fits, face, low), np.where(fits, high, face)
        free = ~np.isfinite(budgets)
        booked = np.where(free, np.inf, position.redeemed + np.maximum(low, rest))
        planned = np.where(free, np.inf, position.redeemed + low * rate)
        return booked, Position(planned, position.redeemed, position.out * rate)
