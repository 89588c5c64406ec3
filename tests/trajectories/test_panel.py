"""From a stream of events to rows, in NumPy alone: against plain loops, and cut in every way."""

from collections import defaultdict
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_log import AMOUNTS, Log, by_the_letter, draw

from bcrlsp import periods
from bcrlsp.features import MEMORY, default_feature_set
from bcrlsp.periods import Calendar
from bcrlsp.trajectories import RewardSettings, Settings
from bcrlsp.trajectories.blocks import user_blocks
from bcrlsp.trajectories.panel import Span
from bcrlsp.trajectories.rows import state_rows, trajectory_rows
from bcrlsp.trajectories.sources import ACTIVITY, BONUS, REDEMPTION, USER

CALENDAR = periods.Settings().calendar()
FEATURES = default_feature_set(AMOUNTS, CALENDAR)
PERIODS = 40
BEFORE = CALENDAR.start(0) - timedelta(microseconds=1)
STREAM = pa.schema(
    [
        ("user_hash", pa.int64()),
        ("tag", pa.int8()),
        ("user_id", pa.string()),
        ("period", pa.int32()),
        ("key", pa.int64()),
        ("level", pa.int32()),
        ("value", pa.float64()),
        ("segment", pa.string()),
        ("carry", pa.binary()),
    ]
)


def stream(log: Log, calendar: Calendar = CALENDAR, one_hash: bool = False) -> pa.Table:
    """The rows that Spark would send, of one partition."""
    keys: dict[Any, int] = defaultdict(lambda: len(keys))
    rows = []

    def add(tag: int, user: str, period: int, key: int, **more: Any) -> None:
        code = 0 if one_hash else hash(("user", user)) % 2**62
        blank = {"level": None, "value": None, "segment": None, "carry": None}
        rows.append(
            {"user_hash": code, "tag": tag, "user_id": user, "period": period, "key": key}
            | blank
            | more
        )

    for user, at, kind, amount, _ in log.activity:
        add(ACTIVITY, user, calendar.index(at), keys[at, kind], value=amount)
    for bonus, user, at, level, _, propensity, _, _ in log.bonuses:
        add(BONUS, user, calendar.index(at), keys[bonus], level=level, value=propensity)
    for bonus, user, at, amount, _ in log.redemptions:
        add(REDEMPTION, user, calendar.index(at), keys[bonus], value=amount)
    for user, at, segment, _ in log.users:
        floor = calendar.index(at)
        add(USER, user, floor, floor + 1, segment=segment)
    rows.sort(key=lambda row: row["user_hash"])
    return pa.Table.from_pylist(rows, STREAM)


def within(table: pa.Table, start: int, stop: int) -> pa.Table:
    """Rows of the stream that a span asks for: users, and events of its periods."""
    period, tag = table["period"].to_numpy(), table["tag"].to_numpy()
    return table.filter(pa.array((tag == USER) | ((period >= start) & (period < stop))))


def run(table: pa.Table, span: Span, how: Settings, size: int = 10**6) -> list[dict[str, Any]]:
    function = trajectory_rows(
        span, FEATURES, how, [f"in-{p}" for p in range(span.first, span.stop)]
    )
    batches = function(iter(table.to_batches(max_chunksize=size)))
    rows = [row for batch in batches for row in batch.to_pylist()]
    return sorted(rows, key=lambda row: (row["user_id"], row["step"]))


def without_counts(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: row[name] for name in row if name != "duplicates"} for row in rows]


@pytest.mark.parametrize(
    "how",
    [
        Settings(),
        Settings(reward=RewardSettings(after=1), attribution=1),
        Settings(reward=RewardSettings(kind="count", after=2, within=3), attribution=5),
        Settings(reward=RewardSettings(kind="amount", within=2)),
    ],
)
@pytest.mark.parametrize("seed", [0, 1])
def test_rows_are_what_the_definitions_say(how: Settings, seed: int):
    log = draw(CALENDAR, users=8, length=PERIODS, seed=seed)
    span = Span(-MEMORY, 0, PERIODS)
    table = within(stream(log), span.start, PERIODS + how.label_reach)
    assert without_counts(run(table, span, how)) == by_the_letter(log, how, FEATURES, PERIODS)


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10**6), st.integers(1, PERIODS - 1))
def test_the_start_of_the_fold_does_not_show(seed: int, cut: int):
    """Rows of [cut, end): from the memory before it, and from the carried state."""
    log = draw(CALENDAR, users=6, length=PERIODS, seed=seed)
    table = stream(log)
    whole = run(within(table, -MEMORY, PERIODS), Span(-MEMORY, 0, PERIODS), Settings())
    wanted = [row for row in whole if row["period_start"] >= CALENDAR.start(cut)]

    late = Span(cut - MEMORY, cut, PERIODS)

    def renamed(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [row | {"duplicates": 0} for row in rows]

    assert renamed(run(within(table, late.start, PERIODS), late, Settings())) == renamed(wanted)

    carried = state_rows(cut - MEMORY, cut, FEATURES, Settings(), "x")
    states = pa.Table.from_batches(
        carried(iter(within(table, cut - MEMORY, cut).to_batches())),
    ).to_pylist()
    blank = dict.fromkeys(STREAM.names)
    hashes = dict(zip(table["user_id"].to_pylist(), table["user_hash"].to_pylist(), strict=True))
    rows = [
        blank
        | {
            "user_hash": hashes[s["user_id"]],
            "user_id": s["user_id"],
            "tag": 4,
            "carry": s["carry"],
        }
        for s in states
        if s["step"] >= 0
    ]
    events = within(table, cut, PERIODS)
    joined = pa.concat_tables([events, pa.Table.from_pylist(rows, STREAM)]).sort_by("user_hash")
    assert renamed(run(joined, Span(cut, cut, PERIODS), Settings())) == renamed(wanted)


@pytest.mark.parametrize("one_hash", [False, True])
@pytest.mark.parametrize("users_a_block", [1, 3, 100])
@pytest.mark.parametrize("rows", [1, 50, 10**6])
def test_blocks_hold_whole_users_each_once(one_hash: bool, users_a_block: int, rows: int):
    table = stream(draw(CALENDAR, users=12, length=9, seed=3), one_hash=one_hash)
    if one_hash:  # rows of users of one hash come in any order
        table = table.take(pa.array(np.random.default_rng(0).permutation(table.num_rows)))
    seen: dict[str, int] = defaultdict(int)
    blocks = list(user_blocks(table.to_batches(max_chunksize=17), users_a_block, rows))
    for block, places in blocks:
        names = np.array(block["user_id"].to_pylist())
        assert len(set(places)) <= users_a_block
        for place in set(places):
            (name,) = set(names[places == place])
            seen[name] += int((places == place).sum())
    assert sum(len(set(places)) for _, places in blocks) == len(seen)
    counted = table["user_id"].value_counts().to_pylist()
    assert seen == {entry["values"]: entry["counts"] for entry in counted}


def test_an_event_that_is_there_twice_counts_once_and_is_counted():
    log = draw(CALENDAR, users=10, length=PERIODS, seed=5)
    twice = log.plus(
        activity=log.activity[3:9], bonuses=log.bonuses[:5], redemptions=log.redemptions[:4]
    )
    span = Span(-MEMORY, 0, PERIODS)
    how = Settings(reward=RewardSettings(kind="amount"), attribution=2)
    once, both = (run(within(stream(x), span.start, PERIODS), span, how) for x in (log, twice))
    assert without_counts(once) == without_counts(both)
    redeemed_in_time = [r for r in log.redemptions[:4] if CALENDAR.index(r[2]) < PERIODS]
    assert sum(row["duplicates"] for row in both) == 6 + 5 + len(redeemed_in_time)


def test_several_bonuses_in_a_period_count_as_the_highest_and_cost_all_that_they_cost():
    start = CALENDAR.start(0)
    bonuses = [
        ("low", "u", start, 1, 1.0, 0.5, None, start),
        ("high", "u", start, 2, 2.5, 0.5, None, start),
    ]
    redemptions = [("low", "u", start, 1.0, start), ("high", "u", start, 2.5, start)]
    log = Log([], bonuses, redemptions, [("u", BEFORE, "all", BEFORE)])
    (row,) = run(stream(log), Span(-MEMORY, 0, 1), Settings())
    assert (row["level"], row["cost"], row["propensity"], row["conflicts"]) == (2, 3.5, None, 1)


def test_events_of_somebody_who_never_signed_up_make_no_row():
    start = CALENDAR.start(0)
    log = Log([("ghost", start, "open", 1.0, start)], [], [], [])
    assert run(stream(log), Span(-MEMORY, 0, 1), Settings()) == []


def test_a_foreign_redemption_is_no_cost():
    start = CALENDAR.start(0)
    bonuses = [("b", "u", start, 1, 1.0, 0.5, None, start)]
    redemptions = [("b", "v", start, 1.0, start), ("other", "u", start, 1.0, start)]
    users = [("u", BEFORE, "all", BEFORE), ("v", BEFORE, "all", BEFORE)]
    rows = run(stream(Log([], bonuses, redemptions, users)), Span(-MEMORY, 0, 1), Settings())
    assert [row["cost"] for row in rows] == [0.0, 0.0]


def test_a_row_cannot_be_1_by_construction():
    """Who is known by an activity at midnight has no row in which it is the return."""
    midnight = CALENDAR.start(1)
    log = Log([("u", midnight, "open", 1.0, midnight)], [], [], [("u", midnight, "all", midnight)])
    rows = run(stream(log), Span(-MEMORY, 0, 4), Settings())
    assert [(row["period_start"], row["reward"], row["step"]) for row in rows] == [
        (CALENDAR.start(2), 0.0, 0),
        (CALENDAR.start(3), 0.0, 1),
    ]
    # What it did before the decision is in the state of the first row.
    assert rows[0]["state"][FEATURES.names.index("active_1")] == 1
