"""Empirical Bernstein bound (Maurer and Pontil, COLT 2009, theorem 4), on both sides.

With contributions of n users in a range of width b and sample variance V, each side holds with
probability 1 - δ/2 for δ = 1 - confidence:

|value - truth| <= sqrt(2 V ln(4/δ) / n) + 7 b ln(4/δ) / (3 (n - 1)).
"""

import numpy as np

from bcrlsp.errors import ConfigError
from bcrlsp.evaluation.intervals import INTERVALS
from bcrlsp.evaluation.settings import Settings
from bcrlsp.evaluation.terms import Terms


@INTERVALS.register("bernstein")
def bernstein(
    terms: Terms, confidence: float, settings: Settings, seed: int
) -> tuple[float, float, list[str]]:
    """Holds for any number of users where the range is known and the terms are a plain mean."""
    contributions = terms.contributions
    users = len(contributions)
    warnings = []
    if settings.value_range is None:
        low, high = float(contributions.min()), float(contributions.max())
        warnings.append(
            "the range of a user's contribution is read off the log, so the Bernstein bound is no "
            "guarantee; give value_range where it is known"
        )
    else:
        low, high = settings.value_range
        outside = contributions[(contributions < low) | (contributions > high)]
        if len(outside):
            raise ConfigError(
                f"value_range is {low} to {high}, but a user contributes {outside[0]:.6g}; "
                "widen it to hold every contribution"
            )
    if terms.numerator.shape[1] > 1 or not np.all(terms.denominator == 1):
        warnings.append(
            "the estimate is a ratio: its Bernstein bound holds to first order in 1/n only"
        )
    if users < 2:
        return -np.inf, np.inf, warnings
    # The theorem is one-sided with ln(2/δ): ln(4/δ) covers both sides together.
    tail = np.log(4 / (1 - confidence))
    width = np.sqrt(2 * float(np.var(contributions, ddof=1)) * tail / users)
    width += 7 * (high - low) * tail / (3 * (users - 1))
    return terms.value - float(width), terms.value + float(width), warnings
