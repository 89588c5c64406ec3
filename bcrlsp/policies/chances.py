"""Scores and masks to probabilities of levels."""

import numpy as np
from numpy.typing import NDArray

from bcrlsp.errors import DataError
from bcrlsp.policies.network import FloatArray


def intersected(supported: NDArray[np.bool_], allowed: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Levels that are both, bool (n, a); where none is, the allowed ones.

    A mask binds, support advises. Raises DataError for a row that allows nothing.
    """
    if allowed.shape != supported.shape:
        raise DataError(f"allowed levels of shape {allowed.shape}; allowed: {supported.shape}")
    empty = ~allowed.any(axis=1)
    if empty.any():
        raise DataError(f"row {int(empty.argmax())} allows no level; allow at least level 0")
    left = supported & allowed
    return np.where(left.any(axis=1, keepdims=True), left, allowed)


def uniform(may: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Equal probabilities (n, a) of the levels that are true in a row."""
    return np.asarray(may / may.sum(axis=1, keepdims=True), np.float64)


def softmax(scores: NDArray[np.float64] | FloatArray) -> NDArray[np.float64]:
    """Probabilities (n, a) in proportion to exp(score); -inf: none."""
    scores = scores.astype(np.float64)
    chances = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(chances / chances.sum(axis=1, keepdims=True))
