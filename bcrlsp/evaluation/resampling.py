"""The bootstrap over users that both bootstrap intervals draw on."""

import numpy as np

from bcrlsp.evaluation.log import Floats
from bcrlsp.evaluation.settings import Settings
from bcrlsp.evaluation.terms import Terms

MAX_GROUPS = 2000
"""More users than this are drawn in random groups of equal size: the variance of a mean is the
same, and the draws are a matrix that fits in memory."""

BLOCK = 250
"""Resamples in one matrix product."""


def resample(terms: Terms, settings: Settings, seed: int) -> tuple[Floats, Floats]:
    """Values and standard errors of the resamples, two arrays (resamples,).

    The standard error of a resample is that of its first-order contributions
    (`Terms.influence`), drawn as the users are.
    """
    rng = np.random.default_rng(seed)
    rows = len(terms.sizes)
    count = min(rows, MAX_GROUPS)
    sums = terms.grouped(rng.permutation(rows) % count, count)
    influence = sums.influence
    values, errors = [], []
    for start in range(0, settings.resamples, BLOCK):
        draws = min(BLOCK, settings.resamples - start)
        # Drawn and counted: ten times as fast as a multinomial of thousands of categories.
        drawn = rng.integers(0, count, size=(draws, count)) + count * np.arange(draws)[:, None]
        flat = np.bincount(drawn.ravel(), minlength=draws * count)
        counts = flat.reshape(draws, count).astype(np.float64)
        values.append(sums.resampled(counts))
        mean = counts @ influence / count
        variance = (counts @ influence**2 / count - mean**2) * count
        errors.append(np.sqrt(np.maximum(variance, 0.0)) / (counts @ sums.sizes))
    return np.concatenate(values), np.concatenate(errors)
