"""The feature set: what the names promise, by the letter, and one meaning in all its uses."""

import math
import pickle
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bcrlsp.errors import ConfigError, DataError
from bcrlsp.features import MEMORY, Feature, FeatureSet, Records, default_feature_set, record_of
from bcrlsp.features.feature_set import _CHUNK
from bcrlsp.periods import Calendar, Settings

AMOUNTS = (0.0, 1.0, 2.0, 4.0)
CALENDAR = Settings().calendar()
FEATURES = default_feature_set(AMOUNTS, CALENDAR)

# One user's history: (events, level) a period.
histories = st.lists(
    st.tuples(st.sampled_from([0, 0, 1, 2, 70]), st.sampled_from([0, 0, 1, 2, 3])), max_size=80
)


def records(history: list[tuple[int, int]]) -> Records:
    events = np.array([[e] for e, _ in history], dtype=np.int64).reshape(-1, 1)
    levels = np.array([[level] for _, level in history], dtype=np.int64).reshape(-1, 1)
    return Records(np.ones(events.shape, dtype=bool), events, levels)


def by_the_letter(history: list[tuple[int, int]], period: int) -> dict[str, float]:
    """Every default feature, straight from its meaning: newest period first, lists and loops."""
    past = history[::-1][:MEMORY]
    active = [e > 0 for e, _ in past]
    sent = [level > 0 for _, level in past]

    def recency(bits: list[bool]) -> int:
        return bits.index(True) if True in bits else 32

    def streak(bits: list[bool]) -> int:
        return bits.index(False) if False in bits else len(bits)

    def lag(bits: list[bool], k: int) -> float:
        return float(k <= len(bits) and bits[k - 1])

    def walk(bits: list[bool], top: int) -> int:
        place = 0
        for bit in reversed(bits):
            place = min(max(place + (1 if bit else -1), 0), top)
        return place

    out: dict[str, float] = {
        "tenure": min(len(history), 32),
        "active_recency": recency(active),
        "active_streak": streak(active),
        "inactive_streak": streak([not bit for bit in active]),
        "sent_recency": recency(sent),
        "sent_streak": streak(sent),
        "pause_streak": streak([not bit for bit in sent]),
        "last_level": next((level for _, level in past if level), 0),
    }
    for k in (1, 3, 7, 14, 30):
        out[f"active_{k}"] = sum(active[:k])
        out[f"sent_{k}"] = sum(sent[:k])
    for top in (2, 4, 8):
        out[f"active_walk_{top}"] = walk(active, top)
        out[f"sent_walk_{top}"] = walk(sent, top)
    for k in (2, 3, 4, 5):
        out[f"active_lag_{k}"] = lag(active, k)
        out[f"sent_lag_{k}"] = lag(sent, k)
    for k in (7, 30):
        out[f"free_{k}"] = sum(e > 0 and level == 0 for e, level in past[:k])
        out[f"events_{k}"] = math.log1p(sum(min(e, 63) for e, _ in past[:k]))
        for wanted in (1, 2, 3):
            out[f"sent_{wanted}_{k}"] = sum(level == wanted for _, level in past[:k])
            out[f"answered_{wanted}_{k}"] = sum(e > 0 and level == wanted for e, level in past[:k])
    start = CALENDAR.start(period)
    turn = 2 * math.pi * (start.weekday() / 7)
    out["week_sin"], out["week_cos"] = math.sin(turn), math.cos(turn)
    return out


@settings(deadline=None, max_examples=200)
@given(histories, st.integers(-400, 4000))
def test_every_feature_is_what_its_meaning_says(history: list[tuple[int, int]], period: int):
    carry = FEATURES.fold(FEATURES.init(1), records(history))[:, -1]
    state = FEATURES.features(carry, period)[0]
    wanted = by_the_letter(history, period)
    assert set(wanted) == set(FEATURES.names)
    for name, value in zip(FEATURES.names, state, strict=True):
        assert value == pytest.approx(wanted[name], abs=2e-6), name


@settings(deadline=None, max_examples=100)
@given(histories, st.integers(0, 80))
def test_batch_increment_and_planning_agree(history: list[tuple[int, int]], cut: int):
    batch = FEATURES.fold(FEATURES.init(1), records(history))
    cut = min(cut, len(history))
    carried = FEATURES.unpack(FEATURES.pack(batch[:, cut]))
    carried = FEATURES.fold(carried, records(history[cut:]))[:, -1]
    assert np.array_equal(carried, batch[:, -1])
    planned = FEATURES.init(1)
    for events, level in history:
        planned = FEATURES.update(planned, record_of([level], [events > 0], events))
    assert np.array_equal(planned, batch[:, -1])


def test_what_lies_before_the_memory_does_not_matter():
    rng = np.random.default_rng(0)
    shape = (MEMORY, 500)
    recent = Records(np.ones(shape, dtype=bool), rng.poisson(0.5, shape), rng.integers(0, 4, shape))
    anything = rng.integers(0, 2**32, (FEATURES.words, 500), dtype=np.uint32)
    ends = [FEATURES.fold(start, recent)[:, -1] for start in (FEATURES.init(500), anything)]
    assert np.array_equal(*ends)


def test_nothing_that_grows_with_the_calendar():
    always = record_of(np.full(3, 2), np.array([True, False, True]))
    carry = FEATURES.init(3)
    for _ in range(40):
        carry = FEATURES.update(carry, always)
    early = FEATURES.features(carry, 7)
    for _ in range(700):
        carry = FEATURES.update(carry, always)
    assert np.array_equal(FEATURES.features(carry, 707), early)


def test_before_sign_up_nothing_is_seen():
    unknown = Records(np.zeros((5, 1), dtype=bool), np.ones((5, 1), int), np.ones((5, 1), int))
    assert not FEATURES.fold(FEATURES.init(1), unknown).any()


def test_periods_differ_a_user_and_chunks_do_not_show():
    rng = np.random.default_rng(1)
    n = 2 * _CHUNK + 17
    carry = rng.integers(0, 2**32, (FEATURES.words, n), dtype=np.uint32)
    period = rng.integers(0, 30, n)
    whole = FEATURES.features(carry, period)
    assert whole.dtype == np.float32
    assert whole.shape == (n, FEATURES.width)
    for place in (0, _CHUNK - 1, _CHUNK, n - 1):
        alone = FEATURES.features(carry[:, [place]], int(period[place]))
        assert np.array_equal(alone[0], whole[place])


def test_the_hash_changes_with_all_that_changes_numbers_and_with_nothing_else():
    other_origin = replace(CALENDAR, origin=CALENDAR.origin + timedelta(days=70))
    assert default_feature_set(AMOUNTS, other_origin).hash == FEATURES.hash
    renamed = replace(FEATURES.declared[0], meaning="the same in other words")
    assert replace(FEATURES, declared=(renamed, *FEATURES.declared[1:])).hash == FEATURES.hash
    assert pickle.loads(pickle.dumps(FEATURES)).hash == FEATURES.hash
    others = [
        default_feature_set((0.0, 1.0, 2.0, 5.0), CALENDAR),
        default_feature_set((0.0, 1.0, 2.0), CALENDAR),
        default_feature_set(AMOUNTS, Calendar(CALENDAR.origin, timedelta(days=7))),
        replace(FEATURES, declared=FEATURES.declared[:-1]),
        replace(FEATURES, declared=FEATURES.declared[::-1]),
    ]
    assert len({FEATURES.hash, *(other.hash for other in others)}) == 1 + len(others)


def test_numbers_change_only_with_the_version():
    """A golden value: when it fails, raise reads.VERSION, then renew both."""
    rng = np.random.default_rng(7)
    carry = rng.integers(0, 2**32, (FEATURES.words, 64), dtype=np.uint32)
    state = FEATURES.features(carry, np.arange(64))
    assert FEATURES.hash == "15b6d3a44a06f85f"
    assert float(np.abs(state @ np.arange(1, FEATURES.width + 1)).sum()) == pytest.approx(
        423768.3063355088, rel=1e-6
    )


def test_names_are_unique_and_explained():
    assert len(set(FEATURES.names)) == FEATURES.width
    assert all(FEATURES.meanings.values())


@pytest.mark.parametrize(
    ("length", "names"),
    [
        (timedelta(hours=6), {"day_sin", "day_cos", "week_sin", "week_cos"}),
        (timedelta(days=1), {"week_sin", "week_cos"}),
        (timedelta(weeks=1), {"year_sin", "year_cos"}),
    ],
)
def test_the_calendar_fits_the_period(length: timedelta, names: set[str]):
    features = default_feature_set(AMOUNTS, Calendar(datetime(2025, 1, 6, tzinfo=UTC), length))
    assert {n for n in features.names if n.endswith(("_sin", "_cos"))} == names
    states = features.features(features.init(400), np.arange(400))
    waves = states[:, [features.names.index(name) for name in sorted(names)]]
    assert np.allclose((waves**2).sum(axis=1), len(names) / 2, atol=1e-5)
    assert len(np.unique(waves.round(4), axis=0)) > 5


def test_a_set_of_its_own_keeps_only_what_it_reads():
    tiny = FeatureSet((Feature("sent_3", "bonuses", "count", ("sent",), (3,)),), AMOUNTS, CALENDAR)
    assert tiny.words == 1
    carry = tiny.fold(tiny.init(1), records([(0, 1), (1, 0), (1, 2), (0, 3)]))
    assert tiny.features(carry.reshape(1, -1), 0)[:, 0].tolist() == [0, 1, 1, 2, 2]


def test_a_foreign_carry_is_refused_in_one_line():
    with pytest.raises(DataError, match="feature set") as caught:
        FEATURES.unpack([b"123"])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("known", "events", "level", "message"),
    [
        ([True], [1], [1.7], r"level is 1\.7 in row 0; allowed: whole numbers"),
        ([True], [1], [np.nan], "level is nan"),
        ([True], [1], [-1], "level is -1 in row 0; allowed: 0 or more"),
        ([True], [1], [True], "level is an array of bool"),
        ([True], [0.5], [1], r"events is 0\.5"),
        ([True], [-2], [1], "events is -2"),
        ([2], [1], [1], "known is 2"),
        ([True], [1, 1], [1], "records of different shapes"),
        ([True], [1], [4], "level 4 in a record and amounts has 4 levels; allowed: 0 to 3"),
        ([True], [1], [300], "level 300 in a record"),
    ],
)
def test_records_that_are_none_are_refused(known, events, level, message: str) -> None:
    features = FEATURES
    with pytest.raises(DataError, match=message):
        features.update(features.init(1), Records(*map(np.array, (known, events, level))))


def test_records_of_other_types_are_the_same_and_amounts_rise() -> None:
    plain = Records(np.ones(2, bool), np.array([3, 0]), np.array([2, 1]))
    plain, other = (
        FEATURES.update(FEATURES.init(2), each)
        for each in (plain, Records(np.ones(2), [3.0, 0.0], [2.0, 1.0]))
    )
    np.testing.assert_array_equal(plain, other)
    for amounts in ((1.0, 2.0), (0.0, 2.0, 1.0), (0.0, float("nan")), (0.0, float("inf")), ()):
        with pytest.raises(ConfigError, match="each above the one before"):
            default_feature_set(amounts, CALENDAR)
