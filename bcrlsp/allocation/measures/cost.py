"""The cost of the chosen level."""

import numpy as np
from numpy.typing import NDArray

from bcrlsp.allocation.measures import MEASURES, FloatArray


@MEASURES.register("cost")
def cost(counted: NDArray[np.bool_]) -> tuple[FloatArray, FloatArray]:
    """counted: bool (a,). A counted level uses up its cost."""
    return counted.astype(np.float64), np.zeros(len(counted))
