"""Limits as exact numbers, with the rounding of a user's own sums allowed for.

A limit that a user found by adding costs up as floats is off by their rounding. Where costs are
whole units of money and a limit is off a whole number of them by no more than that, and by less
than a hundredth of a unit, the whole number is meant. Else a limit is kept to within the rounding.
"""

from decimal import Decimal
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
