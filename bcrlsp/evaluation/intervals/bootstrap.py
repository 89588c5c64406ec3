"""Studentised bootstrap over users (bootstrap-t; Efron and Tibshirani 1993, chapter 12).

Importance weights are skewed to the right; the studentised form follows the skew, which the
percentile form follows in the wrong direction.
"""

import numpy as np

from bcrlsp.evaluation.intervals import INTERVALS
from bcrlsp.evaluation.resampling import resample
from bcrlsp.evaluation.settings import Settings
from bcrlsp.evaluation.terms import Terms

ROUNDING = 1e-6
"""A resample's standard error, in those of the estimate, that is 0 but for rounding."""


@INTERVALS.register("bootstrap")
def bootstrap(
    terms: Terms, confidence: float, settings: Settings, seed: int
) -> tuple[float, float, list[str]]:
    """value - q · se, where q are quantiles of (value_b - value) / se_b over the resamples."""
    value, error = terms.value, terms.standard_error
    values, errors = resample(terms, settings, seed)
    # Users that rounding alone tells apart are equal.
    usable = np.isfinite(values) & (errors > ROUNDING * error)
    if not np.isfinite(error) or error == 0 or usable.mean() < 0.5:
        return value - error, value + error, []
    pivots = (values[usable] - value) / errors[usable]
    tail = (1 - confidence) / 2
    upper, lower = np.quantile(pivots, [1 - tail, tail])
    return value - float(upper) * error, value - float(lower) * error, []
