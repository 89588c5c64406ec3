"""The number of users at the counted levels."""

import numpy as np
from numpy.typing import NDArray

from bcrlsp.allocation.measures import MEASURES, FloatArray


@MEASURES.register("count")
def count(counted: NDArray[np.bool_]) -> tuple[FloatArray, FloatArray]:
    """counted: bool (a,). A counted level uses up one."""
    return np.zeros(len(counted)), counted.astype(np.float64)
