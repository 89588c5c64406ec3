"""Percentile bootstrap over users (Efron 1979)."""

import numpy as np

from bcrlsp.evaluation.intervals import INTERVALS
from bcrlsp.evaluation.resampling import resample
from bcrlsp.evaluation.settings import Settings
from bcrlsp.evaluation.terms import Terms


@INTERVALS.register("percentile")
def percentile(
    terms: Terms, confidence: float, settings: Settings, seed: int
) -> tuple[float, float, list[str]]:
    """The middle `confidence` of the resampled values."""
    values, _ = resample(terms, settings, seed)
    tail = (1 - confidence) / 2
    low, high = np.nanquantile(values, [tail, 1 - tail])
    return float(low), float(high), []
