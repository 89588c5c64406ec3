"""What the log says of a day to come: when requests arrive, and when committed money comes back."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bcrlsp.errors import DataError

Floats = NDArray[np.float64]

HOUR = 3600.0
WEEK_HOURS = 168
# 1970-01-01 was a Thursday: hour 0 of the week is Monday, midnight UTC.
_MONDAY = 3 * 24 * HOUR


@dataclass(frozen=True)
class ArrivalCurve:
    """Requests an hour by hour of the week: rates (168,), hour 0 is Monday 00:00 UTC."""

    rates: Floats

    @staticmethod
    def learn(times: ArrayLike, start: float, stop: float, days: float = 2.0) -> "ArrivalCurve":
        """From the instants of requests in [start, stop), seconds since 1970.

        days: weight, in days, of the average day scaled to each weekday's total: with few weeks an
        hour of one weekday has been seen few times. Raises DataError where nothing was seen.
        """
        seen = np.asarray(times, np.float64)
        seen = seen[(seen >= start) & (seen < stop)]
        if stop - start < HOUR or not len(seen):
            raise DataError(
                f"{len(seen)} requests in {max(stop - start, 0) / HOUR:.1f} hours of the log; an "
                "arrival curve needs at least one hour with requests"
            )
        counts = np.bincount(_hours(seen), minlength=WEEK_HOURS).astype(float).reshape(7, 24)
        covered = _covered(start, stop).reshape(7, 24)
        by_hour = counts.sum(axis=0) / np.maximum(covered.sum(axis=0), 1e-9)
        by_hour[covered.sum(axis=0) == 0] = counts.sum() / covered.sum()
        # Requests of a weekday in relation to what its covered hours have on average.
        usual = (covered * by_hour).sum(axis=1)
        level = np.where(usual > 0, counts.sum(axis=1) / np.maximum(usual, 1e-9), 1.0)
        prior = level[:, None] * by_hour[None, :]
        return ArrivalCurve(((counts + days * prior) / (covered + days)).ravel())

    def expected(self, start: float, stop: float) -> float:
        """Requests expected in [start, stop), seconds since 1970."""
        if stop <= start:
            return 0.0
        edges = np.arange(np.floor(start / HOUR), np.ceil(stop / HOUR) + 1) * HOUR
        spans = np.minimum(edges[1:], stop) - np.maximum(edges[:-1], start)
        return float((self.rates[_hours(edges[:-1])] * spans).sum() / HOUR)


@dataclass(frozen=True)
class ReturnCurve:
    """When the part of a bonus that is not redeemed in the end comes back to the budget.

    ages: (m,) seconds since sending, ascending. held: (m,) share of that part which is still
    committed at each age; 1 before the first, the last value after the last.
    redeemed: (m,) share of what is redeemed in the end that has been seen by each age.
    """

    ages: Floats
    held: Floats
    redeemed: Floats

    @property
    def before(self) -> float:
        """Share held before the first age."""
        return 1.0 if self.held.any() else 0.0

    @staticmethod
    def never() -> "ReturnCurve":
        """Nothing comes back within the period: face value is spent money."""
        return ReturnCurve(np.array([0.0]), np.array([1.0]), np.array([1.0]))

    def in_expectation(self) -> "ReturnCurve":
        """The same for who commits what he expects to be redeemed: nothing is held beyond that."""
        return ReturnCurve(self.ages, np.zeros(len(self.ages)), self.redeemed)

    @staticmethod
    def learn(
        faces: ArrayLike, amounts: ArrayLike, delays: ArrayLike, release: float, points: int = 64
    ) -> "ReturnCurve":
        """From past bonuses. faces, amounts (0: not redeemed), delays from sending to the arrival
        of the redemption in the feed (seconds, ignored where not redeemed): arrays (n,).

        release: seconds after sending at which the money of an expired bonus comes back.
        """
        face, amount = np.asarray(faces, np.float64), np.asarray(amounts, np.float64)
        delay = np.where(amount > 0, np.asarray(delays, np.float64), release)
        back = np.maximum(face - amount, 0.0)
        if not len(face) or back.sum() == 0:
            return ReturnCurve.never()
        settled = amount > 0
        ages = np.unique(np.quantile(delay, np.linspace(0, 1, points), method="nearest"))
        # A point just before each age: many come back at one and the same age, that of expiry.
        ages = np.unique(np.concatenate([ages, np.maximum(ages - 1e-3, 0.0)]))
        held = np.array([back[delay > age].sum() for age in ages]) / back.sum()
        paid = np.array([amount[settled & (delay <= age)].sum() for age in ages])
        return ReturnCurve(ages, held, paid / amount.sum() if settled.any() else np.ones(len(ages)))

    def hold(self, age: ArrayLike) -> Floats:
        """Share still held at ages (any shape), seconds; 0 for ages below 0: not sent yet."""
        found = np.interp(np.asarray(age, np.float64), self.ages, self.held, left=self.before)
        return np.where(np.asarray(age) < 0, 0.0, found)

    def seen(self, age: ArrayLike) -> Floats:
        """Share of the final redemptions seen by ages (any shape), seconds."""
        found = np.interp(np.asarray(age, np.float64), self.ages, self.redeemed, left=0.0)
        return np.where(np.asarray(age) < 0, 0.0, found)


def _hours(instants: Floats) -> NDArray[np.intp]:
    """Hour of the week of instants."""
    return np.floor((instants + _MONDAY) / HOUR).astype(np.int64).__mod__(WEEK_HOURS)


def _covered(start: float, stop: float) -> Floats:
    """Hours of each hour of the week that lie in [start, stop): (168,)."""
    edges = np.arange(np.floor(start / HOUR), np.ceil(stop / HOUR) + 1) * HOUR
    spans = np.minimum(edges[1:], stop) - np.maximum(edges[:-1], start)
    held = np.bincount(_hours(edges[:-1]), weights=spans / HOUR, minlength=WEEK_HOURS)
    return held.astype(np.float64)
