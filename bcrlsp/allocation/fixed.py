"""Fixed-point sums: exact, so that the order and the partitioning of users never matter.

Values are rounded to the nearest unit and costs up, so that what is counted as spent is never less
than what is spent. A unit is a power of two: integers and other short binary fractions are exact.
"""

import math
from dataclasses import dataclass

from bcrlsp.errors import UserError

_SUM_BITS = 61
_FLOAT_BITS = 52
_SMALLEST = -900


@dataclass(frozen=True)
class Stats:
    """What a look at all users gives; merging is exact and in any order.

    users: how many. value: largest finite |value|. cost: largest cost of an allowed level.
    grid: e such that every cost is a whole multiple of 2^e (0 when all are 0).
    """

    users: int
    value: float
    cost: float
    grid: int

    def merge(self, other: "Stats") -> "Stats":
        """Stats of both sets of users together."""
        return Stats(
            self.users + other.users,
            max(self.value, other.value),
            max(self.cost, other.cost),
            min(self.grid, other.grid),
        )


@dataclass(frozen=True)
class Units:
    """One unit of the sums of value and of cost; exact: every cost is a whole number of units."""

    value: float
    cost: float
    exact: bool


def units_of(stats: Stats) -> Units:
    """The finest units in which sums over all users fit 61 bits."""
    value, cost = _exponent(stats.users, stats.value), _exponent(stats.users, stats.cost)
    return Units(math.ldexp(1.0, value), math.ldexp(1.0, cost), exact=stats.grid >= cost)


def _exponent(users: int, largest: float) -> int:
    if largest == 0.0:
        return _SMALLEST
    top = math.frexp(largest)[1]
    if top > -_SMALLEST:
        raise UserError(f"a value or cost is {largest:g}; allowed: magnitudes below 1e270")
    return max(top + max(users.bit_length() - _SUM_BITS, -_FLOAT_BITS), _SMALLEST)
