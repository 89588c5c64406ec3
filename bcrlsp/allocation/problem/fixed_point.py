"""Fixed-point sums: exact, so that the order and the partitioning of users never matter.

Values are rounded to the nearest unit, a power of two. Costs that are decimals, such as amounts of
money in cents, are counted in whole units of their last place: three times 0.10 are 0.30. Other
costs are counted in a power of two of which, in all but extreme cases, each is a whole multiple,
and else rounded up. A sum of costs is held in two int64, so that costs may differ by 2^80.
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bcrlsp.errors import UserError

_SUM_BITS = 61
_FLOAT_BITS = 52
_SMALLEST = -900
PLACES = 8
"""Most decimal places that are looked for in costs."""


@dataclass(frozen=True)
class Stats:
    """What a look at all users gives; merging is exact and in any order.

    users: how many. value: largest finite |value|. cost: largest cost of an allowed level.
    grid: e such that every cost is a whole multiple of 2^e (1023 when all are 0).
    places: decimal places with which all costs are written, above PLACES for none.
    """

    users: int
    value: float
    cost: float
    grid: int
    places: int

    def merge(self, other: "Stats") -> "Stats":
        """Stats of both sets of users together."""
        return Stats(
            self.users + other.users,
            max(self.value, other.value),
            max(self.cost, other.cost),
            min(self.grid, other.grid),
            max(self.places, other.places),
        )


@dataclass(frozen=True)
class Units:
    """The units of sums.

    value: one unit of value. step: one unit of cost; per_cost: units in a cost of 1.
    decimal: whether costs are whole decimal units, but for rounding errors of floats.
    bits: a sum of costs is high * 2^bits + low.
    exact: every cost is a whole number of units; else costs are rounded up.
    """

    value: float
    step: Fraction
    per_cost: float
    decimal: bool
    bits: int
    exact: bool

    @property
    def cost(self) -> float:
        """One unit of cost."""
        return float(self.step)

    @property
    def doubt(self) -> float:
        """What is taken off a cost in units before it is rounded up."""
        return 0.5 if self.decimal else 0.0

    def split(self, cost: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The low and the high parts of costs, in units, as the compiled passes have them."""
        whole = np.ceil(np.asarray(cost, dtype=np.float64) * self.per_cost - self.doubt)
        high = np.floor(whole * 2.0**-self.bits)
        return (whole - high * 2.0**self.bits).astype(np.int64), high.astype(np.int64)

    def whole(self, low: int, high: int) -> int:
        """A sum of costs in units."""
        return (int(high) << self.bits) + int(low)


def units_of(stats: Stats) -> Units:
    """The finest units in which sums over all users fit.

    Raises UserError for magnitudes that no sum can hold.
    """
    value, bits = _value_exponent(stats.users, stats.value), _SUM_BITS - stats.users.bit_length()
    places = stats.places
    if places <= PLACES and stats.cost * 10.0**places < 2.0 ** (2 * bits):
        scale = 10**places
        return Units(math.ldexp(1.0, value), Fraction(1, scale), float(scale), True, bits, True)
    finest = max(_top(stats.cost) - 2 * bits, _SMALLEST)
    exponent = max(min(stats.grid, 0), finest)
    step = Fraction(2) ** exponent
    exact = stats.grid >= exponent
    return Units(
        math.ldexp(1.0, value), step, math.ldexp(1.0, -exponent), False, bits, exact
    )  # fmt: skip


def _top(largest: float) -> int:
    top = math.frexp(largest)[1]
    if top > -_SMALLEST:
        raise UserError(f"a value or cost is {largest:g}; allowed: magnitudes below 1e270")
    return top


def _value_exponent(users: int, largest: float) -> int:
    if largest == 0.0:
        return _SMALLEST
    return max(_top(largest) + max(users.bit_length() - _SUM_BITS, -_FLOAT_BITS), _SMALLEST)
