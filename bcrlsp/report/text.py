"""Figures as a person reads them. What is not known is "unknown", never 0."""

import math
from datetime import datetime, timedelta

UNKNOWN = "unknown"

_SMALLEST_PERCENT = 1e-6


def count(value: float | None) -> str:
    """A whole number with thousands separated: 1,234,567."""
    return UNKNOWN if _absent(value) else f"{value:,.0f}"


def money(value: float | None) -> str:
    """An amount to the hundredth: 1,234.50. The unit is the one of the tables."""
    return UNKNOWN if _absent(value) else _signed(f"{value:,.2f}")


def limit(value: float | None) -> str:
    """Most that may be spent; an infinite limit is none."""
    return "none" if value == math.inf else money(value)


def number(value: float | None, digits: int = 4) -> str:
    """A number to so many significant digits, thousands separated, without an exponent."""
    if value is None or _absent(value):
        return UNKNOWN
    if value == 0:
        return "0"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return _signed(f"{value:,.{decimals}f}")


def percent(value: float | None) -> str:
    """A share as a percentage: 31.2 %; below 1 % with two significant digits."""
    if value is None or _absent(value):
        return UNKNOWN
    scaled = 100 * value
    if scaled == 0:
        return "0 %"
    if abs(scaled) < _SMALLEST_PERCENT:
        return f"{'below' if scaled > 0 else 'above -'} {_SMALLEST_PERCENT:.6f} %"
    if 0 < abs(scaled) < 1:
        return f"{number(scaled, 2)} %"
    return _signed(f"{scaled:,.1f}") + " %"


def instant(start: datetime, length: timedelta) -> str:
    """Name of a period: its date, and the hour where periods do not all start at midnight."""
    whole_days = length % timedelta(days=1) == timedelta(0)
    return start.strftime("%Y-%m-%d" if whole_days and start.hour == 0 else "%Y-%m-%d %H:%M")


def plural(value: float, one: str, many: str | None = None) -> str:
    """A count with its noun: 1 user, 2 users."""
    return f"{count(value)} {one if value == 1 else many or one + 's'}"


def _absent(value: float | None) -> bool:
    return value is None or not math.isfinite(value)


def _signed(text: str) -> str:
    # The true minus sign is as wide as a figure; a hyphen is not.
    return text.replace("-", "−")
