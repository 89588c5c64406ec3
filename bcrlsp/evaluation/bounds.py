"""The interval of an estimate: the chosen one, widened where the log has too few events for it."""

from __future__ import annotations

import math

from scipy.stats import norm

from bcrlsp.evaluation.events import (
    Events,
    Range,
    small_sample,
    small_sample_difference,
    unseen,
)
from bcrlsp.evaluation.evidence import Request
from bcrlsp.evaluation.intervals import INTERVALS
from bcrlsp.evaluation.terms import Terms

FEW_EVENTS = "the log has few events: the interval is widened to hold what it may not have shown"
"""Said where the interval for few events is in the answer."""


def value_bounds(
    terms: Terms, events: Events, request: Request, confidence: float, interval: str
) -> tuple[float, float, tuple[str, ...]]:
    """Low, high and warnings for a mean over users.

    events: with the weights that the estimate gives to rewards. interval: a name in INTERVALS.
    Never of no width.
    """
    rewards = Range.of(request.measure, events, request.largest)
    least, most, few = small_sample(events, rewards, confidence)
    margin = unseen(events, rewards, _spread(terms), confidence)
    low, high, notes = _usual(terms, request, confidence, interval, few)
    ends = [low, high, terms.value - margin, terms.value + margin, *((least, most) if few else ())]
    low, high = _ends(ends)
    if few:
        low = min(max(low, rewards.least * events.window / events.users), terms.value)
    return low, high, (*notes, *_told(few, rewards, request))


def gain_bounds(
    terms: Terms,
    more: Events,
    less: Events,
    request: Request,
    confidence: float,
    interval: str,
) -> tuple[float, float, tuple[str, ...]]:
    """The same for a difference of two means over the same users.

    more, less: events with the parts of the difference of weights that are above and below 0.
    """
    rewards = Range.of(request.measure, more + less, request.largest)
    least, most, few = small_sample_difference(more, less, rewards, confidence)
    up, down = (unseen(part, rewards, _spread(terms), confidence) for part in (more, less))
    low, high, notes = _usual(terms, request, confidence, interval, few)
    ends = [low, high, terms.value - down, terms.value + up, *((least, most) if few else ())]
    return *_ends(ends), (*notes, *_told(few, rewards, request))


def _usual(
    terms: Terms, request: Request, confidence: float, interval: str, few: bool
) -> tuple[float, float, list[str]]:
    """The interval that was asked for; with few events the normal one.

    Resamples that hold no event have no standard error, so that a bootstrap of few is without end.
    """
    if not few or interval == "bernstein":
        chosen = INTERVALS.get(interval)
        return chosen(terms, confidence, request.settings, request.seed)
    reach = float(norm.ppf((1 + confidence) / 2)) * terms.standard_error
    return terms.value - reach, terms.value + reach, []


def _spread(terms: Terms) -> float:
    """Sum of squares of the users' contributions about their mean."""
    return float((terms.influence**2).sum())


def _ends(ends: list[float]) -> tuple[float, float]:
    """The outermost ones; nothing is known where one of them is not."""
    if any(math.isnan(end) for end in ends):
        return -math.inf, math.inf
    return min(ends), max(ends)


def _told(few: bool, rewards: Range, request: Request) -> list[str]:
    if math.isinf(rewards.most):
        return [
            f"the log has no {request.measure} at all and the largest possible one is not known: "
            "the interval has no upper end; give largest"
        ]
    notes = [FEW_EVENTS] if few else []
    if few and request.measure == "cost" and request.largest is None:
        notes.append(
            f"the largest possible cost is not known: twice the log's largest ({rewards.most:g}) "
            "stands in; give largest"
        )
    return notes
