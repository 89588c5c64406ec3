"""Instants that a ledger is told: seconds since 1970, checked before money depends on them."""

from typing import Any

import numpy as np

from bcrlsp.errors import DataError, shown


def as_now(now: Any) -> float:
    """The present instant; never an endless one, at which every bonus would be over."""
    instant = as_instant(now, "now")
    if instant == np.inf:
        raise DataError("now is inf; allowed: seconds since 1970")
    return instant


def as_end(until: Any, now: float) -> float | None:
    """The end of a life that begins at `now`; None where it has none.

    A length of time given for an instant lies long ago: its money would come back at once.
    """
    if until is None:
        return None
    instant = as_instant(until, "until")
    if instant < now:
        raise DataError(
            f"until is {instant}, before now ({now}); allowed: the instant at which the bonuses' "
            "life ends, seconds since 1970"
        )
    return instant


def as_instant(given: Any, name: str) -> float:
    """Raises DataError for what is no number."""
    known = isinstance(given, int | float | np.integer | np.floating)
    if not known or isinstance(given, bool) or np.isnan(given):
        raise DataError(f"{name} is {shown(given)}; allowed: seconds since 1970")
    return float(given)
