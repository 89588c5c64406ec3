"""How far the counts of a feed prove that it was loaded, and where it has holes.

The counts are events a period. Nobody has said how far the feed is whole, so only what its own
usual rate proves counts: a period is over for the feed when enough of its events lie in a later
period, so that a last day that was loaded in part is never taken for a whole one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import poisson

Counts = NDArray[np.int64]

# Natural logarithm of the chance below which silence is no accident.
_IMPLAUSIBLE = np.log(1e-4)
# Periods on each side of a gap that say what is usual there.
_SIDE = 7
# Periods before its end that say what is usual for a feed.
_RECENT = 28
# Fewer events than this share of the usual number are not what a period holds.
_LOW = 0.03
# Most periods between two gaps of a feed's own rhythm.
_LONGEST_RHYTHM = 31
_BOTH_WAYS = np.array([-3, -2, -1, 1, 2, 3])
# So many events, scattered far from all others, are mistyped dates.
_FEW = 2


@dataclass(frozen=True)
class Gap:
    """Neighbouring periods [first, stop) in which a feed has implausibly few events.

    events: how many. usual: events a period around it.
    """

    first: int
    stop: int
    events: int
    usual: float


@dataclass(frozen=True)
class Evidence:
    """What counts say of a feed.

    until: the first period that may not be over for the feed; None without any event. gaps: where
    it has implausibly few events, before that. strays: events with dates far off all others.
    quiet: gaps, and further periods with few events that may be an accident. last: the last period
    with an event.
    """

    until: int | None
    gaps: tuple[Gap, ...] = ()
    strays: int = 0
    quiet: tuple[Gap, ...] = ()
    last: int | None = None


def judge_feeds(counts: Mapping[str, Mapping[int, int]]) -> dict[str, Evidence]:
    """What the counts say of each feed: `judge_counts`, and days that activity and bonuses lack.

    Of a small feed one silent day may be an accident; that both feeds have the same one is less
    likely by the product of the chances.
    """
    found = {name: judge_counts(held) for name, held in counts.items()}
    if {"activity", "bonuses"} <= found.keys():
        first, second = found["activity"], found["bonuses"]
        found["activity"] = _lost_with(first, second)
        found["bonuses"] = _lost_with(second, first)
    return found


def _lost_with(own: Evidence, other: Evidence) -> Evidence:
    gaps = list(own.gaps)
    for mine in own.quiet:
        for theirs in other.quiet:
            begin, end = max(mine.first, theirs.first), min(mine.stop, theirs.stop)
            chance = -(mine.usual + theirs.usual) * (end - begin)
            silent = begin < end and mine.events == theirs.events == 0
            known = any(gap.first < end and gap.stop > begin for gap in gaps)
            if silent and chance < _IMPLAUSIBLE and not known:
                gaps.append(Gap(begin, end, 0, mine.usual))
    return replace(own, gaps=tuple(sorted(gaps, key=lambda gap: gap.first)))


def judge_counts(counts: Mapping[int, int]) -> Evidence:
    """counts: period to number of events, for the periods of a range that have some."""
    held = {period: number for period, number in counts.items() if number > 0}
    if not held:
        return Evidence(None)
    body = _without_strays(held)
    strays = sum(held.values()) - sum(body.values())
    first, last = min(body), max(body)
    dense = np.zeros(last - first + 1, dtype=np.int64)
    dense[np.array(list(body)) - first] = list(body.values())
    until = first + _proven(dense)
    quiet = [(gap, chance) for gap, chance in _quiet(dense, first) if gap.stop <= until]
    gaps = tuple(gap for gap, chance in quiet if chance < _IMPLAUSIBLE)
    return Evidence(until, gaps, strays, tuple(gap for gap, _ in quiet), max(held))


def _without_strays(held: Mapping[int, int]) -> dict[int, int]:
    """The counts less few events behind (or before) a silence that is no accident."""
    forward = _cut(dict(held))
    mirrored = _cut({-period: number for period, number in forward.items()})
    return {-period: number for period, number in mirrored.items()}


def _cut(held: dict[int, int]) -> dict[int, int]:
    periods = sorted(held)
    numbers = np.array([held[period] for period in periods])
    for place in range(len(periods) - 1):
        silent = periods[place + 1] - periods[place] - 1
        if not silent:
            continue
        usual = _usual_before(periods, numbers, place)
        after = int(numbers[place + 1 :].sum())
        begin = periods[place + 1]
        soon = sum(held[p] for p in periods[place + 1 :] if p < begin + _SIDE)
        width = periods[-1] - periods[place]
        few = after <= max(_FEW, _LOW * usual * width) and soon <= max(_FEW, _LOW * usual * _SIDE)
        # Of two halves the smaller one is astray.
        if few and after < numbers[: place + 1].sum() and -usual * silent < _IMPLAUSIBLE:
            return {period: held[period] for period in periods[: place + 1]}
    return held


def _usual_before(periods: list[int], numbers: Counts, place: int) -> float:
    """Mean events a period in the last periods up to `place`."""
    begin = max(periods[0], periods[place] - _RECENT + 1)
    inside = [n for p, n in zip(periods[: place + 1], numbers[: place + 1], strict=True)
              if p >= begin]  # fmt: skip
    return float(sum(inside)) / (periods[place] - begin + 1)


def _proven(dense: Counts) -> int:
    """The first period, from 0, of which too few events lie later to say that it is over."""
    before = dense[-_RECENT - 1 : -1]
    usual = float(np.median(before)) if len(before) else 0.0
    # One event proves little where hundreds are usual: it may be a mistyped date.
    enough = max(2.0, 0.02 * usual) if usual >= 10 else 1.0
    # later[k]: events in period k and after it.
    later = np.cumsum(dense[::-1])[::-1]
    return int(np.flatnonzero(later >= min(enough, later[0]))[-1])


def _quiet(dense: Counts, offset: int) -> list[tuple[Gap, float]]:
    """Runs of periods with few events, inside the counts, and the logarithm of their chance."""
    found: list[tuple[int, int, float]] = []
    place, size = 1, len(dense)
    while place < size - 1:
        left = float(np.median(dense[max(0, place - _SIDE) : place]))
        stop = place
        while stop < size - 1 and left > 0 and dense[stop] <= _LOW * left:
            stop += 1
        # The last period may be there in part: it says nothing of what is usual.
        right = dense[stop : min(stop + _SIDE, size - 1)]
        usual = min(left, float(np.median(right))) if len(right) else left
        if stop > place and usual > 0 and (dense[place:stop] <= _LOW * usual).all():
            found.append((place, stop, usual))
        place = max(stop, place + 1)
    low = np.zeros(size, dtype=bool)
    for begin, end, _ in found:
        low[begin:end] = True
    quiet = []
    for begin, end, usual in found:
        number = int(dense[begin:end].sum())
        # Empty: the chance of none. Not empty: of so few even at half the usual rate.
        rate = usual * (end - begin)
        log_chance = -rate if number == 0 else float(poisson.logcdf(number, rate / 2))
        if not _comes_back(low, begin, end):
            quiet.append((Gap(offset + begin, offset + end, number, usual), log_chance))
    return quiet


def _comes_back(low: NDArray[np.bool_], begin: int, end: int) -> bool:
    """Whether periods are low at even distances before and after, as closed Sundays are."""
    run = np.arange(begin, end)
    for distance in range(2, _LONGEST_RHYTHM + 1):
        others = run[:, None] + distance * _BOTH_WAYS
        inside = (others >= 0) & (others < len(low) - 1)
        same = low[np.where(inside, others, 0)] | ~inside
        if same.all() and (inside.sum(axis=1) >= 3).all():
            return True
    return False
