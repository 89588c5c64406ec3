"""Recency: only the time since the last event counts."""

import numpy as np

from bcrlsp.learning.planner.counters import COUNTERS, Counter


@COUNTERS.register("recency")
def recency(size: int) -> Counter:
    """State: periods since the last event, at most `size`; the score falls from 1 to 0."""
    state = np.arange(size + 1)
    after = np.stack([np.minimum(state + 1, size), np.zeros_like(state)])
    return Counter(after, 1 - state / size)
