"""Limits as exact numbers, with the rounding of a user's own sums allowed for.

A limit that a user found by adding costs up as floats is off by their rounding. Where costs are
whole units of money and a limit is off a whole number of them by no more than that, and by less
than a hundredth of a unit, the whole number is meant. Else a limit is kept to within the rounding.
"""

from decimal import MAX_EMAX, MIN_EMIN, ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction
from numbers import Rational
from typing import Any

import numpy as np

_ULP = Fraction(1, 2**53)
_FEW = 8
_PART = Fraction(1, 128)
_MOST = Fraction(1, 2**30)


def exact(number: Any) -> Fraction:
    """A finite limit as it is written: exact ones are exact, short floats their decimals."""
    if isinstance(number, Rational | Decimal):
        return Fraction(number)
    if isinstance(number, np.floating) and not isinstance(number, float):
        number = str(number)
    return Fraction(float(number))


def meant(number: Any, step: Fraction | None, users: int, sign: int) -> Fraction:
    """What may be used (sign 1), or must be (sign -1).

    step: of which every use is a whole multiple, None for no such step. users: that are counted.
    A Decimal or a Fraction is meant to the letter.
    """
    limit = exact(number)
    if isinstance(number, Decimal | Fraction):
        return limit
    doubt = min((users + _FEW) * _ULP, _MOST)
    if step is None:
        return limit * (1 + sign * doubt)
    whole = Fraction(round(limit / step)) * step
    close = abs(whole - limit) <= min(_PART * step, 2 * doubt * limit)
    return whole if close and sign * (whole - limit) > 0 else limit


def written(nearest: Fraction, asked: Any, side: str) -> Any:
    """The nearest limit, or minimum, that can be kept, in the type of the one that was asked for.

    Given in its place it is kept: where limits are meant to the letter, it is rounded away from
    what cannot be kept, at the last of 17 digits.
    """
    if not isinstance(asked, Decimal | Fraction):
        return float(nearest)
    away = ROUND_CEILING if side == "limit" else ROUND_FLOOR
    digits = Context(prec=17, rounding=away, Emax=MAX_EMAX, Emin=MIN_EMIN)
    number = digits.divide(Decimal(nearest.numerator), Decimal(nearest.denominator))
    return type(asked)(number.normalize(digits))


def text(number: Any) -> str:
    """A number in as many digits as it has, so that it can be given back."""
    if isinstance(number, Decimal | Rational):
        return str(number)
    number = float(number)
    for digits in range(9, 17):
        short = f"{number:.{digits}g}"
        if float(short) == number:
            return short
    return repr(number)
