"""A window: how often the event happened in the last few periods."""

import numpy as np

from bcrlsp.learning.planner.counters import COUNTERS, Counter

# A window of m periods needs 2^m states.
LONGEST = 6


@COUNTERS.register("window")
def window(size: int) -> Counter:
    """State: which of the last `size` periods (at most 6) had the event; score: their share."""
    periods = min(size, LONGEST)
    state = np.arange(2**periods)
    shifted = (state << 1) & (2**periods - 1)
    return Counter(np.stack([shifted, shifted | 1]), np.bitwise_count(state) / periods)
