"""The stream without Spark: killed between any two writes, it ends as if it had not been."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bcrlsp.control import Limit
from bcrlsp.control.forecast import WEEK_HOURS, ArrivalCurve, ReturnCurve
from bcrlsp.control.stream.book import Book
from bcrlsp.control.stream.knowledge import Knowledge
from bcrlsp.control.stream.loop import LATE, NO_BUDGET, UNKNOWN_USER, Loop
from bcrlsp.control.stream.rows import Batch
from bcrlsp.control.stream.settings import ControlSettings
from bcrlsp.control.stream.users import UserStates
from bcrlsp.features import Records, default_feature_set
from bcrlsp.periods import Calendar

AMOUNTS = (0.0, 1.0, 3.0)
CALENDAR = Calendar(datetime(2025, 3, 3, tzinfo=UTC), timedelta(days=1))
FEATURES = default_feature_set(AMOUNTS, CALENDAR)
USERS = [f"u{number}" for number in range(12)]
START = CALENDAR.start(0).timestamp()
HOUR = 3600.0
HOW = ControlSettings(life=2 * HOUR, grace=HOUR, watermark=HOUR, budgets_every=0.0, port=None)
KNOWN = Knowledge(ArrivalCurve(np.full(WEEK_HOURS, 0.1)), ReturnCurve.never(), 0.5, 2.0, ())


class Rows:
    """What `states_at` would return."""

    def select(self, *_: str) -> "Rows":
        return self

    def toArrow(self) -> pa.Table:  # noqa: N802 (Spark's name)
        carry = FEATURES.init(len(USERS))
        active = np.arange(len(USERS)) % 3 == 0
        record = Records(np.ones(len(USERS), bool), active.astype(int), np.zeros(len(USERS), int))
        carry = FEATURES.update(carry, record)
        segments = ["new" if number % 2 else "old" for number in range(len(USERS))]
        return pa.table({"user_id": USERS, "segment": segments, "carry": FEATURES.pack(carry)})


class Linear:
    """A policy whose values follow from two features."""

    amounts = np.array(AMOUNTS)
    policy_id = "linear"

    def evaluate(self, states):
        names = FEATURES.names
        recency = states[:, names.index("active_recency")][:, None].astype(float)
        sent = states[:, names.index("sent_recency")][:, None].astype(float)
        value = (1 - np.exp(-self.amounts / 2)) * (0.2 + 0.02 * recency + 0.01 * sent)
        return value, np.broadcast_to(self.amounts / 2, value.shape)

    def supported(self, states):
        return np.ones((len(states), 3), bool)


class World:
    """Tables in lists, and budgets that change by the clock of events."""

    def __init__(self, budgets) -> None:
        self.budgets = budgets
        self.decisions, self.changes = {}, {}

    def limits(self, period, now):
        begun = [limits for begin, limits in self.budgets if begin <= max(now, START)]
        return begun[-1] if begun and period >= 0 else ()

    def loop(self, users=None) -> Loop:
        users = users or UserStates(Rows(), FEATURES, 0)

        def open_book(period, limits):
            span = CALENDAR.start(period).timestamp(), CALENDAR.start(period + 1).timestamp()
            places = np.arange(6)
            sample = users.states(places, period), users.segments[places]
            return Book(period, span, limits, Linear(), HOW, KNOWN, sample)

        return Loop(users, CALENDAR, HOW, AMOUNTS, open_book, self.limits)

    def restored(self, number: int) -> tuple[Loop, dict]:
        loop = self.loop()
        loop.restore(
            [d for n, ds in self.decisions.items() if n < number for d in ds],
            [c for n, cs in self.changes.items() if n < number for c in cs],
        )
        return loop, {d.request_id: d for d in self.decisions.get(number, [])}

    def sums(self) -> tuple[dict, dict]:
        decided, kept = {}, {}
        for total, rows in (
            (decided, [d for ds in self.decisions.values() for d in ds]),
            (kept, [c for cs in self.changes.values() for c in cs if c.kind == "reserve"]),
        ):
            for row in rows:
                for name, units in row.charges.items():
                    total[name] = total.get(name, 0) + units
        return decided, kept


TOTAL = ((0.0, (Limit("total", 20.0), Limit("new", 6.0, groups=("new",)))),)


def batch_of(requests=(), redemptions=(), newest=None) -> Batch:
    rows = [
        {"source": "request", "id": name, "user_id": user, "time": at}
        for name, user, at in requests
    ]
    rows += [
        {"source": "redemption", "id": name, "user_id": "", "time": newest or START,
         "amount": amount} for name, amount in redemptions
    ]  # fmt: skip
    return Batch.of(rows)


def test_reasons_for_nothing() -> None:
    world = World(((0.0, TOTAL[0][1]),))
    loop = world.loop()
    taken = loop.take(
        batch_of(
            [
                ("a", "u0", START + 5 * HOUR),
                ("b", "u1", START + 3 * HOUR),
                ("c", "nobody", START + 5 * HOUR),
                ("a", "u0", START + 5 * HOUR),
                ("d", "u2", START - 1),
            ]
        )
    )
    found = {each.request_id: each for each in taken.decisions}
    assert taken.duplicates == 1
    assert [found[name].reason for name in "abcd"] == [None, LATE, UNKNOWN_USER, LATE]
    assert found["a"].level == 2
    assert found["a"].charges == {"total": 300}
    # No budget, no money.
    empty = World(()).loop().take(batch_of([("a", "u0", START)]))
    assert [each.reason for each in empty.decisions] == [NO_BUDGET]


def test_a_clock_ahead_does_not_open_tomorrow() -> None:
    world = World(TOTAL)
    loop = world.loop()
    wall = START + 6 * HOUR
    loop._wall = lambda: wall
    taken = loop.take(batch_of([("a", "u0", wall), ("b", "u2", wall + 40 * HOUR)]))
    assert [each.period for each in taken.decisions] == [0, 0]
    assert loop.now == wall


def test_the_next_period_sees_the_days_events() -> None:
    users = UserStates(Rows(), FEATURES, 0)
    loop = World(TOTAL).loop(users)
    rows = [
        {"source": "activity", "user_id": "u1", "time": START + HOUR, "kind": "visit"},
        {"source": "activity", "user_id": "u1", "time": START + HOUR, "kind": "visit"},
        {"source": "request", "id": "a", "user_id": "u2", "time": START + HOUR},
    ]
    taken = loop.take(Batch.of(rows))
    level = taken.decisions[0].level
    assert level
    carry = FEATURES.unpack(Rows().toArrow()["carry"].to_pylist())
    events, levels = np.zeros(12, int), np.zeros(12, int)
    events[1], levels[2] = 1, level
    expected = FEATURES.update(carry, Records(np.ones(12, bool), events, levels))
    places = np.arange(12)
    assert np.array_equal(users.states(places, 1), FEATURES.features(expected, 1))
    assert np.array_equal(users.states(places, 0), FEATURES.features(carry, 0))
    # A late event of the day before moves it still.
    users.add_event("u3", 0, 5, "visit")
    events[3] = 1
    expected = FEATURES.update(carry, Records(np.ones(12, bool), events, levels))
    assert np.array_equal(users.states(places, 1), FEATURES.features(expected, 1))


def test_a_redemption_before_its_request() -> None:
    world = World(TOTAL)
    loop = world.loop()
    first = loop.take(batch_of(redemptions=[("a", 1.5), ("a", 1.5)]))
    assert [(each.outcome, each.units) for each in first.changes] == [("early", 150)]
    loop.take(batch_of([("a", "u0", START + HOUR)]))
    assert loop.books[0].position.redeemed[0] == 1.5
    assert loop.waiting == 0


STEP = st.tuples(
    st.lists(st.tuples(st.integers(0, 25), st.integers(0, 13)), max_size=6),
    st.lists(st.tuples(st.integers(0, 25), st.integers(0, 4)), max_size=4),
    st.sampled_from([0.2, 1.0, 4.0, 20.0]),
    st.sampled_from(["no", "before", "after decisions", "after ledger"]),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(STEP, min_size=1, max_size=8), st.integers(0, 20))
def test_killed_anywhere_it_ends_as_if_it_had_not_been(steps, cut) -> None:
    budgets = (*TOTAL, (START + 10 * HOUR, (Limit("total", float(cut)), TOTAL[0][1][1])))
    calm, shaken = World(budgets), World(budgets)
    one, other = calm.loop(), shaken.loop()
    now = START
    for number, (asked, back, later, crash) in enumerate(steps):
        now += later * HOUR
        requests = [
            (f"r{name}", USERS[user] if user < 12 else "nobody", now) for name, user in asked
        ]
        redemptions = [(f"r{name}", float(amount)) for name, amount in back]
        taken = one.take(batch_of(requests, redemptions, now))
        calm.decisions[number], calm.changes[number] = taken.decisions, taken.changes
        for attempt in range(2 if crash != "no" else 1):
            again, batch = {}, batch_of(requests, redemptions, now)
            if attempt:
                # As the stream does: what the batch has left whole is not taken in again.
                done = bool(shaken.changes.get(number))
                other, again = shaken.restored(number + done)
                batch = Batch() if done else batch
            taken = other.take(batch, again)
            if attempt == 0 and crash == "before":
                continue
            shaken.decisions.setdefault(number, taken.decisions)
            if attempt == 0 and crash == "after decisions":
                continue
            shaken.changes.setdefault(number, taken.changes)
    for world in (calm, shaken):
        decided, kept = world.sums()
        assert decided == kept
    said = [
        {d.request_id: (d.level, d.period) for ds in world.decisions.values() for d in ds}
        for world in (calm, shaken)
    ]
    assert set(said[0]) == set(said[1]) == {f"r{name}" for step in steps for name, _ in step[0]}
    for loop, world in ((one, calm), (other, shaken)):
        for period, book in loop.books.items():
            lines = {line.name: line for line in book.ledger.lines()}
            rows = [c for cs in world.changes.values() for c in cs if c.period == period]
            for name, line in lines.items():
                out = {c.bonus_id: c.charges.get(name, 0) for c in rows if c.kind == "reserve"}
                redeemed = 0
                for change in rows:
                    if change.kind == "redeem":
                        out.pop(change.bonus_id, None)
                        redeemed += change.charges.get(name, 0)
                    elif change.kind == "release":
                        out.pop(change.bonus_id, None)
                assert (line.redeemed, line.out) == (redeemed, sum(out.values()))
            assert lines["new"].used <= 600 or any(c.outcome == "late" for c in rows)


def test_a_budget_that_makes_no_sense_is_one_line() -> None:
    from bcrlsp.control.stream.tables import _limit
    from bcrlsp.errors import UserError

    row = {"name": "b", "amount": 1.0, "segments": "new", "levels": None, "measure": None}
    with pytest.raises(UserError, match="segments 'new'"):
        _limit(row)
    row |= {"segments": '["new"]', "levels": "[0]"}
    with pytest.raises(UserError, match="counts level 0"):
        _limit(row)
    assert _limit(row | {"levels": "[2]"}) == Limit("b", 1.0, ("new",), (2,))
