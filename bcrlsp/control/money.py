"""Money as whole numbers of a smallest unit, so that sums are exact and a bound is a bound."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from numbers import Rational

from bcrlsp.errors import UserError, shown

# Most units of one amount: sums of a day's amounts stay far inside 64 bits.
_MOST = 10**15


@dataclass(frozen=True)
class Money:
    """The smallest unit of money that is told apart.

    unit: size of the unit, in money; 0.01 counts in hundredths.
    Raises UserError for a unit that is not above 0.
    """

    unit: float = 0.01

    def __post_init__(self) -> None:
        if not _exact(self.unit, "unit") > 0:
            raise UserError(f"the unit of money is {self.unit}; allowed: above 0, such as 0.01")

    def up(self, amount: float, what: str = "an amount") -> int:
        """Units that `amount` takes, rounded up: what is committed or spent is never understated.

        amount: money, at least 0. what: its name for the error. Raises UserError.
        """
        return self._units(amount, what, math.ceil)

    def down(self, amount: float, what: str = "a limit") -> int:
        """Units inside `amount`, rounded down: a limit is never overstated. See `up`."""
        return self._units(amount, what, math.floor)

    def amount(self, units: int) -> float:
        """Money of so many units."""
        return float(units * _exact(self.unit, "unit"))

    def _units(self, amount: float, what: str, rounding: Callable[[Fraction], int]) -> int:
        value = _exact(amount, what)
        if value < 0:
            raise UserError(f"{what} is {amount}; allowed: at least 0")
        units = rounding(value / _exact(self.unit, "unit"))
        if units > _MOST:
            raise UserError(f"{what} is {amount}; allowed: at most {_MOST} units of {self.unit}")
        return units


def _exact(amount: float, what: str) -> Fraction:
    if isinstance(amount, Rational) and not isinstance(amount, bool):
        return Fraction(amount.numerator, amount.denominator)
    # By its text: 0.1 is one tenth, not the nearest binary fraction.
    try:
        value = Decimal("" if isinstance(amount, str) else str(amount))
    except InvalidOperation:
        raise UserError(f"{what} is {shown(amount)}; allowed: a number") from None
    if not value.is_finite():
        raise UserError(f"{what} is {amount}; allowed: a finite number")
    return Fraction(value)


HUNDREDTHS = Money()
"""Counts in hundredths."""

USERS = Money(1)
"""Counts users."""
