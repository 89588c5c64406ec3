"""What a budget can count. A new measure is one module here that registers a function.

A measure maps the counted levels to weights: a user at level a uses up
cost_weight[a] * cost(user, a) + count_weight[a].
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from bcrlsp.registry import Registry

FloatArray = NDArray[np.float64]
Measure = Callable[[NDArray[np.bool_]], tuple[FloatArray, FloatArray]]
"""counted: bool (a,) -> (cost_weight (a,), count_weight (a,)), float64, none below 0."""

MEASURES: Registry[Measure] = Registry(
    "budget measure", "bcrlsp.allocation.measures", "bcrlsp.measures"
)
