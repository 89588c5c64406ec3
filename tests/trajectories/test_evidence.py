"""What counts of a feed prove: against the truth of random feeds with holes, lags and typos."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bcrlsp.deliveries import Mark
from bcrlsp.periods import Calendar
from bcrlsp.trajectories import RewardSettings, Settings
from bcrlsp.trajectories.completeness import Completeness, Feed, waiting
from bcrlsp.trajectories.evidence import Gap, judge_counts, judge_feeds

CALENDAR = Calendar(datetime(2025, 1, 6, tzinfo=UTC), timedelta(days=1))


def feed(periods: int, rate: float, seed: int = 0, **changed: int) -> dict[int, int]:
    drawn = np.random.default_rng(seed).poisson(rate, periods)
    counts = {period: int(number) for period, number in enumerate(drawn)}
    return counts | {int(key.removeprefix("p")): number for key, number in changed.items()}


def test_a_last_period_is_never_proven_by_itself():
    assert judge_counts({}).until is None
    assert judge_counts({5: 1}).until == 5
    assert judge_counts(dict.fromkeys(range(10), 40)).until == 9
    # Loaded until ten in the morning, and one event that a clock ahead dated tomorrow.
    assert judge_counts(feed(30, 1000, p29=400, p30=1)).until == 29
    assert judge_counts({0: 1, 1: 1, 2: 1}).until == 2


@pytest.mark.parametrize("rate", [1, 3, 30, 1000])
@pytest.mark.parametrize("far", [{100: 1}, {100: 1, 131: 1, 260: 1}, {-70: 1}, {-400: 2, 90: 1}])
def test_dates_far_off_all_others_move_nothing(rate: int, far: dict[int, int]):
    counts = dict.fromkeys(range(40), rate)
    found = judge_counts(counts | far)
    assert (found.until, found.gaps, found.strays) == (39, (), sum(far.values()))


@pytest.mark.parametrize(
    ("counts", "gaps"),
    [
        (feed(40, 30, p20=0), [(20, 21)]),
        (feed(40, 30, p20=0, p10=0), [(10, 11), (20, 21)]),
        (feed(40, 1000, p20=10), [(20, 21)]),
        (feed(10, 20, p5=0), [(5, 6)]),
        (feed(40, 30) | dict.fromkeys(range(15, 25), 0), [(15, 25)]),
        (feed(60, 20) | dict.fromkeys(range(8, 40), 0), [(8, 40)]),
        # Closed on Sundays, mailed on Mondays, just begun: these are no holes.
        ({k: 0 if k % 7 == 6 else 1000 for k in range(60)}, []),
        ({k: 1000 if k % 7 == 0 else 0 for k in range(60)}, []),
        ({k: 1 if k < 7 else 1000 for k in range(60)}, []),
        # Closed on weekends, and a Wednesday that is missing.
        ({k: 0 if k % 7 in (5, 6) or k == 30 else 1000 for k in range(60)}, [(30, 31)]),
        # So few that a day without any is no news.
        (feed(60, 2, p20=0, p21=0), []),
    ],
)
def test_holes_are_told_from_the_feeds_own_rhythm(
    counts: dict[int, int], gaps: list[tuple[int, int]]
):
    assert [(gap.first, gap.stop) for gap in judge_counts(counts).gaps] == gaps


def test_a_day_that_two_small_feeds_lack_is_no_accident():
    one, other = feed(30, 6, p12=0), dict.fromkeys(range(30), 6) | {12: 0}
    assert judge_counts(one).gaps == judge_counts(other).gaps == ()
    found = judge_feeds({"activity": one, "bonuses": other, "redemptions": {0: 1}})
    assert [(gap.first, gap.stop) for gap in found["activity"].gaps] == [(12, 13)]
    assert found["bonuses"].gaps == (Gap(12, 13, 0, 6.0),)
    alone = judge_feeds({"activity": one, "bonuses": dict.fromkeys(range(30), 6)})
    assert alone["activity"].gaps == ()


def test_few_feeds_without_holes_are_said_to_have_one():
    wrong = sum(bool(judge_counts(feed(200, rate, seed)).gaps)
                for seed in range(100) for rate in (5, 8, 20))  # fmt: skip
    assert wrong <= 3


@settings(deadline=None, max_examples=200)
@given(
    rate=st.integers(40, 200),
    periods=st.integers(12, 60),
    end=st.integers(8, 60),
    part=st.floats(0.2, 1),
    hole=st.integers(2, 50),
    far=st.lists(st.integers(70, 900), max_size=2, unique=True),
    seed=st.integers(0, 10**6),
)
def test_nothing_is_over_before_it_was_loaded(
    rate: int, periods: int, end: int, part: float, hole: int, far: list[int], seed: int
):
    """The feed was loaded up to some moment of period `end`, less one hole, plus mistyped dates."""
    end = min(end, periods - 1)
    counts = feed(end + 1, rate, seed)
    counts[end] = max(1, int(part * rate))
    if hole < end - 1:
        counts[hole] = 0
    found = judge_counts(counts | dict.fromkeys(far, 1))
    assert found.until == end
    assert [(gap.first, gap.stop) for gap in found.gaps] == (
        [(hole, hole + 1)] if hole < end - 1 else []
    )


def by_hand(complete: Completeness, period: int) -> Iterator[str]:
    """What a row waits for, feed by feed and period by period, straight from the definition."""
    how, feeds = complete.settings, complete.feeds
    label = period + how.reward.after
    looks = {
        "activity": range(label, label + how.reward.within),
        "bonuses": range(period, period + 1),
        "redemptions": range(
            period, period + 1 + how.attribution if complete.paid.get(period, 0) else period
        ),
    }
    for name, periods in looks.items():
        feed = feeds[name]
        for each in periods:
            gone = feed.until is not None and each < feed.until
            missing = any(hole.first <= each < hole.stop for hole in feed.holes)
            if not gone or (missing and feed.mark is None):
                yield name
                break


feeds = st.builds(
    lambda until, hole, marked: Feed(
        "",
        until,
        Mark(CALENDAR.start(until), CALENDAR.start(until))
        if marked and until is not None
        else None,
        until,
        (Gap(hole, hole + 2, 0, 30.0),),
    ),
    st.none() | st.integers(0, 30),
    st.integers(0, 30),
    st.booleans(),
)


@settings(deadline=None)
@given(
    feeds=st.fixed_dictionaries(dict.fromkeys(("activity", "bonuses", "redemptions"), feeds)),
    paid=st.dictionaries(st.integers(0, 30), st.integers(0, 3)),
    after=st.integers(0, 3),
    within=st.integers(1, 4),
    attribution=st.integers(0, 5),
)
def test_a_period_waits_for_just_the_feeds_that_its_row_needs(
    feeds: dict[str, Feed], paid: dict[int, int], after: int, within: int, attribution: int
):
    how = Settings(reward=RewardSettings(after=after, within=within), attribution=attribution)
    complete = Completeness(CALENDAR, how, feeds, paid)
    found = waiting(complete, range(31))
    for period in range(31):
        told = {name for name, periods in found.items() if period in periods}
        assert told == set(by_hand(complete, period))


@pytest.mark.parametrize("today", [1, 3, 9, 30])
def test_a_lost_yesterday_waits_however_little_today_has(today: int) -> None:
    """That a day with a mean of 30 has nothing is an accident in one of 10^13."""
    found = judge_counts(dict.fromkeys(range(59), 30) | {60: today})
    # One event of today proves nothing; more prove that yesterday is over, and has a hole.
    assert found.until is not None
    assert found.until <= 59 or [(gap.first, gap.stop) for gap in found.gaps] == [(59, 60)]
