"""A policy whose states are its values and costs, so that a test writes both down."""

import numpy as np


class Table:
    """states (n, 2a): values, then expected costs."""

    def __init__(self, amounts, supported=None) -> None:
        self.amounts = np.array(amounts, float)
        self._supported = supported

    def evaluate(self, states):
        a = len(self.amounts)
        return np.asarray(states[:, :a], float), np.asarray(states[:, a:], float)

    def supported(self, states):
        if self._supported is None:
            return np.ones((len(states), len(self.amounts)), bool)
        return np.tile(self._supported, (len(states), 1))


def states_of(value, cost=None) -> np.ndarray:
    value = np.atleast_2d(value)
    cost = np.zeros_like(value) if cost is None else np.atleast_2d(cost)
    return np.hstack([value, cost]).astype("f4")
