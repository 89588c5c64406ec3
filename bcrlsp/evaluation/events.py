"""Intervals that hold where a log has few events, or none, and a bootstrap sees too few of them.

An event is a user whose weighted return is not 0. Events of unlike size that come one by one are a
weighted sum of Poisson counts, for which Fay and Feuer (Confidence intervals for directly
standardized rates, Statistics in Medicine 1997) give an interval that holds for any number of
them. With total y, sum of squares v and largest possible event m its ends are quantiles of gamma
distributions, written here with those of chi-square:

    low = v / 2y · χ²(α/2; 2 y² / v),
    high = (v + m²) / 2(y + m) · χ²(1 - α/2; 2 (y + m)² / (v + m²)).

With equal sizes this is the exact Poisson interval (Garwood 1936), for rare events as good as that
of Clopper and Pearson; without events it is the rule of three, 0 to m ln(2/α).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

from bcrlsp.evaluation.log import Floats, Log

FEW = 60.0
"""With fewer effective events, the largest possible one counted as seen, an interval is widened."""

VARIED = 10.0
"""Events of typical size that the users' variation about their mean must be worth."""

BEYOND = 2.0
"""Times the largest reward seen that one may be where the largest possible is not known."""

ROUNDING = 1e-9
"""Reach, in shares of a window, below which weights are 0 but for rounding."""


@dataclass(frozen=True)
class Events:
    """Sums over users from which the intervals follow; those of parts of a log add up.

    With row weights w, a user's event is E = Σ_t gamma^t w_t r_t, and its reach R the same for a
    reward of 1 in every period of the window, so that reach times the largest reward is the
    largest event that the user could have been.

    users: count. total, squares: Σ E and Σ E². reach, reach_squares, crossed: Σ R, Σ R² and Σ R E.
    farthest: largest R. window: Σ_u Σ_t gamma^t over whole windows. least, most: of the rewards.
    """

    users: float
    total: float
    squares: float
    reach: float
    reach_squares: float
    crossed: float
    farthest: float
    window: float
    least: float
    most: float

    @staticmethod
    def of(log: Log, weights: Floats) -> Events:
        """The sums of a log; weights: array (N,), at least 0, one a row."""
        weights = np.maximum(weights, 0.0)
        discounts, last = log.discounts, log.offsets[1:] - 1
        # What comes after an end of the trajectory earns nothing, and could not be more than that.
        windows = _discounted(log.gamma, log.horizon)
        after = windows - _discounted(log.gamma, log.lengths)
        event = log.total(discounts * weights * log.rewards)
        reach = log.total(discounts * weights) + weights[last] * after
        return Events(
            users=float(len(log.users)),
            total=float(event.sum()),
            squares=float((event**2).sum()),
            reach=float(reach.sum()),
            reach_squares=float((reach**2).sum()),
            crossed=float((reach * event).sum()),
            farthest=float(reach.max()),
            window=float(windows.sum()),
            least=float(log.rewards.min()),
            most=float(log.rewards.max()),
        )

    def __add__(self, other: Events) -> Events:
        """The sums of two parts of a log."""
        return Events(
            self.users + other.users,
            self.total + other.total,
            self.squares + other.squares,
            self.reach + other.reach,
            self.reach_squares + other.reach_squares,
            self.crossed + other.crossed,
            max(self.farthest, other.farthest),
            self.window + other.window,
            min(self.least, other.least),
            max(self.most, other.most),
        )

    def counted_from(self, reward: float) -> tuple[float, float]:
        """Total and sum of squares of the users' distances |E - reward · R| on the side of E."""
        total = self.total - reward * self.reach
        squares = self.squares - 2 * reward * self.crossed + reward * reward * self.reach_squares
        return total, max(squares, 0.0)


@dataclass(frozen=True)
class Range:
    """Least and most that a row's reward can be. most: inf where the log does not show it.

    known: what is sure of the most: the largest possible one where it was given, else that seen.
    """

    least: float
    most: float
    known: float

    @staticmethod
    def of(measure: str, seen: Events, largest: float | None) -> Range:
        """0 to `largest`; where that is not known, 0 to 1 for retention in shares of a period, else
        to more than was seen: of few amounts the largest is seldom the largest there is."""
        least = BEYOND * min(seen.least, 0.0)
        if largest is not None:
            return Range(least, max(seen.most, largest), max(seen.most, largest))
        if measure == "retention" and seen.least >= 0.0 and seen.most <= 1.0:
            return Range(0.0, 1.0, 1.0)
        most = BEYOND * max(seen.most, 0.0)
        return Range(least, most if most > least else float("inf"), max(seen.most, 0.0))


def small_sample(seen: Events, rewards: Range, confidence: float) -> tuple[float, float, bool]:
    """An interval for the mean over users of E, and whether the log has too few events without it.

    Counted are the events above the least reward or, where these are more, those below the most.
    """
    alpha = 1 - confidence
    if not np.isfinite(rewards.most):
        return rewards.least * seen.window / seen.users, float("inf"), True
    jump = (rewards.most - rewards.least) * seen.farthest
    above, above_squares = seen.counted_from(rewards.least)
    below, below_squares = seen.counted_from(rewards.most)
    if above_squares <= below_squares:
        start, total, squares, sign = rewards.least, above, above_squares, 1.0
    else:
        start, total, squares, sign = rewards.most, -below, below_squares, -1.0
    ends = poisson(max(total, 0.0), squares, jump, alpha)
    low, high = sorted((start * seen.window + sign * end) / seen.users for end in ends)
    sure = (rewards.known - rewards.least) * seen.farthest
    return low, high, _effective(max(total, 0.0), squares, sure) < FEW


def small_sample_difference(
    more: Events, less: Events, rewards: Range, confidence: float
) -> tuple[float, float, bool]:
    """The same for the mean over users of the events of `more` less those of `less`.

    Each side has half of the error, so that both hold together.
    """
    if more.farthest + less.farthest <= ROUNDING * max(more.window / more.users, 1.0):
        return 0.0, 0.0, True
    if not np.isfinite(rewards.most):
        return -float("inf"), float("inf"), True
    width = rewards.most - rewards.least

    def ends(start: float) -> tuple[float, float, float, bool]:
        sides = []
        for part in (more, less):
            total, squares = part.counted_from(start)
            jump, total = width * part.farthest, abs(total)
            low, high = poisson(total, squares, jump, (1 - confidence) / 2)
            sure = (rewards.known - rewards.least) * part.farthest
            few = part.farthest > 0 and _effective(total, squares, sure) < FEW
            sides.append((low, high, squares, few))
        one, other = sides
        few = one[3] or other[3]
        return one[0] - other[1], one[1] - other[0], one[2] + other[2], few

    low, high, squares, few = ends(rewards.least)
    turned_low, turned_high, turned_squares, turned_few = ends(rewards.most)
    if turned_squares < squares:
        # What is counted from above is what is missing.
        low, high, few = -turned_high, -turned_low, turned_few
    return low / more.users, high / more.users, few


def poisson(total: float, squares: float, largest: float, alpha: float) -> tuple[float, float]:
    """Fay and Feuer's interval for the expectation of a total of events of at most `largest`."""
    low = 0.0
    if total > 0 and squares > 0:
        low = squares / (2 * total) * float(chi2.ppf(alpha / 2, 2 * total**2 / squares))
    if largest <= 0:
        return low, total
    squares, total = squares + largest**2, total + largest
    return low, squares / (2 * total) * float(chi2.ppf(1 - alpha / 2, 2 * total**2 / squares))


def unseen(seen: Events, rewards: Range, spread: float, confidence: float) -> float:
    """By how much users unlike all those in the log can move the mean; 0 where the log's own users
    differ enough to show how much users do.

    spread: sum of squares of the users' contributions about their mean. The rule of three: what n
    users do not show has a probability of at most ln(2/α) / n.
    """
    typical = seen.squares / abs(seen.total) if seen.total else 0.0
    if spread > VARIED * typical**2 or seen.farthest <= 0:
        return 0.0
    width = rewards.most - rewards.least
    return float(width * seen.farthest * np.log(2 / (1 - confidence)) / seen.users)


def _effective(total: float, squares: float, jump: float) -> float:
    """Equal events that vary as much, the largest possible one among them."""
    spread = squares + jump**2
    return (total + jump) ** 2 / spread if spread > 0 else 0.0


def _discounted(gamma: float, periods: np.ndarray) -> Floats:
    """Σ_{t < periods} gamma^t of each, array (n,)."""
    sums = np.concatenate([[0.0], np.cumsum(np.power(gamma, np.arange(int(periods.max()))))])
    return np.asarray(sums[periods], dtype=np.float64)
