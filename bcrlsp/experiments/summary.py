"""Means over seeds with their intervals."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from bcrlsp.experiments.scoring import Score

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Mean:
    """A mean and half the width of its interval; nan for the latter with one number only."""

    value: float
    half: float

    @property
    def low(self) -> float:
        """Lower end of the interval; the mean itself where there is none."""
        return self.value - (0.0 if math.isnan(self.half) else self.half)

    @property
    def high(self) -> float:
        """Upper end of the interval; the mean itself where there is none."""
        return self.value + (0.0 if math.isnan(self.half) else self.half)


def mean_of(numbers: Sequence[float]) -> Mean:
    """Student's interval for the mean of independent numbers, nan left out.

    mean ± t_(n-1) s / sqrt(n), at 95 %.
    """
    held = np.array([number for number in numbers if not math.isnan(number)])
    if len(held) == 0:
        return Mean(float("nan"), float("nan"))
    if len(held) == 1:
        return Mean(float(held[0]), float("nan"))
    width = student.ppf((1 + CONFIDENCE) / 2, len(held) - 1)
    return Mean(float(held.mean()), float(width * held.std(ddof=1) / math.sqrt(len(held))))


def over(scores: Sequence[Score], read: Callable[[Score], float]) -> Mean:
    """The mean of one figure over scores of several seeds."""
    return mean_of([read(score) for score in scores])


def plain(value: float, digits: int) -> str:
    """A number with so many decimals; what rounds to zero has no sign."""
    return f"{round(value, digits) + 0.0:.{digits}f}"
