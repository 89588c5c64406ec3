"""How a bonus moves the probability of a return: the scale on which its effect is added.

Each link takes complex arrays, so that the complex step gives exact derivatives (Squire and Trapp,
"Using complex variables to estimate derivatives of real functions", SIAM Review 40, 1998).
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
# (log-odds without a bonus, lift, effect in [0, 1]) -> probability; all broadcast.
Link = Callable[[Array, Array, Array], Array]


def sigmoid(z: Array) -> Array:
    """1 / (1 + exp(-z)), for real or complex z."""
    return np.asarray(1 / (1 + np.exp(-z)))


def logit(free: Array, lift: Array, effect: Array) -> Array:
    """sigmoid(free + exp(lift) effect): a bonus adds to the log-odds; most at even chances."""
    return sigmoid(free + np.exp(lift) * effect)


def conversion(free: Array, lift: Array, effect: Array) -> Array:
    """p + (1 - p) sigmoid(lift) effect, p = sigmoid(free): a share of those who would stay away."""
    base = sigmoid(free)
    return np.asarray(base + (1 - base) * sigmoid(lift) * effect)


def hazard(free: Array, lift: Array, effect: Array) -> Array:
    """1 - (1 - p) exp(-exp(lift) effect): reasons to return that do not know of each other."""
    return np.asarray(1 - (1 - sigmoid(free)) * np.exp(-np.exp(lift) * effect))


LINKS: Mapping[str, Link] = {link.__name__: link for link in (logit, conversion, hazard)}
"""All links by name."""
