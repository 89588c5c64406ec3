r"""What is held back of a budget where costs are expected ones, not face values.

Whether a bonus is redeemed is chance, and what was expected of it may be off. With past periods
t = 1..k, in which :math:`P_t` was expected and :math:`S_t` spent, a plan that is expected to cost
:math:`P` costs :math:`rP` on average, with :math:`r = \sum S_t / \sum P_t`, and varies for three
reasons: r is estimated with an error e, periods differ beyond chance (their ratios have a standard
deviation s), and redemptions are chance. A redemption is worth between 0 and the highest amount a,
so that the variance of independent ones is at most a r P, whoever gets what. Few redemptions say
little of the next ones, and none says nothing: one of the highest amount counts as seen beside
them, in r and in e, as in the rule of three. The plan is the largest P with

.. math:: r P + q \sqrt{P^2 (e^2 + s^2) + a r P} \le L

where q is Student's quantile of the confidence with k - 1 degrees of freedom: the prediction
interval of one more period.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import t as student

Floats = NDArray[np.float64]

LEAST_PERIODS = 2
"""Past periods without which nothing can be said."""


@dataclass(frozen=True, eq=False)
class SpendRecord:
    """What k past periods were expected to cost, and did.

    expected, spent: (k,), money. squared: (k,), money squared, Σ over decisions of
    (spent - expected)^2: the variance of `spent` by chance alone. Entries where nothing was
    expected are left out by `of`.
    """

    expected: Floats
    spent: Floats
    squared: Floats

    @staticmethod
    def of(expected: Floats, spent: Floats, squared: Floats) -> "SpendRecord":
        """The record of the periods in which something was expected to be spent."""
        kept = expected > 0
        return SpendRecord(expected[kept], spent[kept], squared[kept])

    @property
    def periods(self) -> int:
        """Number of periods k."""
        return len(self.expected)

    @property
    def ratio(self) -> float:
        """Money spent a unit that was expected."""
        return float(self.spent.sum() / self.expected.sum())

    @property
    def deviation(self) -> float:
        """Standard deviation of one more period's ratio beyond chance, its mean's error included.

        (e^2 + s^2)^0.5 of the module's formula.
        """
        by_chance = self.squared / self.expected**2
        spread = float(np.var(self.spent / self.expected, ddof=1) - by_chance.mean())
        beyond = max(0.0, spread)
        error = beyond / self.periods + float(self.squared.sum() / self.expected.sum() ** 2)
        return float(np.sqrt(beyond + error))


def planned_spend(
    limit: float, record: SpendRecord, largest_amount: float, confidence: float
) -> float:
    """The most that may be planned, in expected cost, for the spend to stay within `limit`.

    limit: money, the budget; infinite: infinite. largest_amount: money, the highest face value.
    confidence: probability that one more period's spend is at most `limit`. Never above `limit`.
    Raises ValueError for a record of fewer than `LEAST_PERIODS` periods.
    """
    if record.periods < LEAST_PERIODS:
        raise ValueError(f"a record of {record.periods} periods; at least {LEAST_PERIODS}")
    if limit <= 0 or np.isinf(limit):
        return limit
    quantile = float(student.ppf(confidence, record.periods - 1))
    one = largest_amount / float(record.expected.sum())
    ratio, deviation = record.ratio + one, math.hypot(record.deviation, one)

    def over(plan: float) -> float:
        chance = largest_amount * ratio * plan
        return ratio * plan + quantile * math.sqrt((plan * deviation) ** 2 + chance) - limit

    if over(limit) <= 0:
        return limit
    found = float(brentq(over, 0.0, limit, xtol=1e-9 * limit))
    # The root is known to within the tolerance: on the side of less.
    return max(0.0, found - 1e-9 * limit)
