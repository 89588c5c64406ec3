"""A walk: one step up with the event, one down without, between 0 and the size."""

import numpy as np

from bcrlsp.learning.planner.counters import COUNTERS, Counter


@COUNTERS.register("walk")
def walk(size: int) -> Counter:
    """States 0..size, score state / size: a habit that builds up and fades at the same pace."""
    state = np.arange(size + 1)
    after = np.stack([np.maximum(state - 1, 0), np.minimum(state + 1, size)])
    return Counter(after, state / size)
