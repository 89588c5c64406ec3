"""The default features: everything that the policy sees of a user, declared here and nowhere else.

All are windows, rates of them or capped: a counter that grows with the calendar would leave the
range that a policy was trained on.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from bcrlsp.features.feature_set import Feature, FeatureSet
from bcrlsp.periods import Calendar

_COUNTS = (1, 3, 7, 14, 30)
_LAGS = (2, 3, 4, 5)
_BY_LEVEL = (7, 30)
# Tops of walks: counts forget the order of events within their window, walks do not.
_WALKS = (2, 4, 8)


def default_feature_set(amounts: Sequence[float], calendar: Calendar) -> FeatureSet:
    """The default features for levels of these face values and this grid of periods."""
    declared = (*_activity(), *_bonuses(), *_answers(len(amounts)), *_calendar(calendar))
    return FeatureSet(declared, tuple(float(amount) for amount in amounts), calendar)


def _activity() -> Iterator[Feature]:
    yield Feature("tenure", "periods since sign-up, at most 32", "count", ("known",), (32,))
    yield Feature(
        "active_recency", "periods since the last activity; 32: none seen", "recency", ("active",)
    )
    for k in _COUNTS:
        meaning = f"periods with activity among the last {k}"
        yield Feature(f"active_{k}", meaning, "count", ("active",), (k,))
    for k in _BY_LEVEL:
        meaning = f"periods with activity and without a bonus among the last {k}"
        yield Feature(f"free_{k}", meaning, "count", ("free",), (k,))
    for k in _BY_LEVEL:
        meaning = f"log(1 + events) in the last {k} periods"
        yield Feature(f"events_{k}", meaning, "log_total", ("events",), (k,))
    for k in _LAGS:
        meaning = f"1 if active {k} periods ago"
        yield Feature(f"active_lag_{k}", meaning, "lag", ("active",), (k,))
    for top in _WALKS:
        meaning = f"one up for each active period, one down for each other, between 0 and {top}"
        yield Feature(f"active_walk_{top}", meaning, "walk", ("active",), (top,))
    yield Feature(
        "active_streak", "periods in a row with activity, until now", "streak", ("active",)
    )
    yield Feature(
        "inactive_streak",
        "periods in a row without activity, until now, since sign-up",
        "pause",
        ("active", "known"),
    )


def _bonuses() -> Iterator[Feature]:
    yield Feature(
        "sent_recency", "periods since the last bonus; 32: none seen", "recency", ("sent",)
    )
    for k in _COUNTS:
        meaning = f"periods with a bonus among the last {k}"
        yield Feature(f"sent_{k}", meaning, "count", ("sent",), (k,))
    for k in _LAGS:
        meaning = f"1 if a bonus was sent {k} periods ago"
        yield Feature(f"sent_lag_{k}", meaning, "lag", ("sent",), (k,))
    for top in _WALKS:
        meaning = f"one up for each bonus sent, one down for each pause, between 0 and {top}"
        yield Feature(f"sent_walk_{top}", meaning, "walk", ("sent",), (top,))
    yield Feature("sent_streak", "periods in a row with a bonus, until now", "streak", ("sent",))
    yield Feature(
        "pause_streak",
        "periods in a row without a bonus, until now, since sign-up",
        "pause",
        ("sent", "known"),
    )
    yield Feature("last_level", "level of the last bonus; 0: none seen", "last_level", ("level",))


def _answers(levels: int) -> Iterator[Feature]:
    for k in _BY_LEVEL:
        for level in range(1, levels):
            meaning = f"bonuses of level {level} in the last {k} periods"
            yield Feature(f"sent_{level}_{k}", meaning, "word_count", ("level",), (level - 1, k))
    for k in _BY_LEVEL:
        for level in range(1, levels):
            meaning = f"periods of the last {k} with a bonus of level {level} and activity"
            yield Feature(
                f"answered_{level}_{k}", meaning, "word_count", ("answered",), (level - 1, k)
            )


def _calendar(calendar: Calendar) -> Iterator[Feature]:
    cycles = []
    if calendar.length < timedelta(days=1):
        cycles.append(("day", 1.0))
    if calendar.length < timedelta(days=7):
        cycles.append(("week", 7.0))
    else:
        cycles.append(("year", 365.2425))
    for name, days in cycles:
        for wave in ("sin", "cos"):
            meaning = f"{wave} of the place of the period's start in the {name}"
            yield Feature(f"{name}_{wave}", meaning, wave, (), (days,))
