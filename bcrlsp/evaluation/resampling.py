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
    (`Terms.contributions`), drawn as the users are.
    """
    rng = np.random.default_rng(seed)
    users = len(terms.numerator)
    count = min(users, MAX_GROUPS)
    groups = rng.permutation(users) % count
    sums = terms.grouped(groups, count)
    sizes = np.bincount(groups, minlength=count).astype(np.float64)
    # Contributions about their mean, so that a group's sum has variance (its size) · σ².
    influence = terms.contributions - terms.value
    first = np.bincount(groups, influence, count)
    values, errors = [], []
    for start in range(0, settings.resamples, BLOCK):
        draws = min(BLOCK, settings.resamples - start)
        # Drawn and counted: ten times as fast as a multinomial of thousands of categories.
        drawn_groups = (
            rng.integers(0, count, size=(draws, count)) + count * np.arange(draws)[:, None]
        )
        flat = np.bincount(drawn_groups.ravel(), minlength=draws * count)
        counts = flat.reshape(draws, count).astype(np.float64)
        values.append(sums.resampled(counts, sizes))
        drawn = counts @ sizes
        mean = counts @ first / count
        variance = (counts @ first**2 / count - mean**2) * count
        errors.append(np.sqrt(np.maximum(variance, 0.0)) / drawn)
    return np.concatenate(values), np.concatenate(errors)


def standard_error(terms: Terms) -> float:
    """Standard error of the value by its first-order contributions."""
    users = len(terms.numerator)
    return float(np.std(terms.contributions, ddof=1) / np.sqrt(users)) if users > 1 else np.inf
