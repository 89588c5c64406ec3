"""The simulated log on Spark: the same whatever the partitions, true to its propensities, blind."""

from datetime import timedelta

import numpy as np
import pytest

from bcrlsp.errors import UserError
from bcrlsp.market import Behaviour, Settings, Simulation, build_chain, simulated_table
from bcrlsp.periods import Settings as PeriodSettings
from bcrlsp.tables import EVENT_TABLES, TABLES

AMOUNTS = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0)
CALENDAR = PeriodSettings().calendar()
SIMULATION = Simulation(4600, 12, 5, AMOUNTS, CALENDAR, Settings())
ALL = (*EVENT_TABLES, "market_truth")


def rows(spark, simulation: Simulation, name: str, partitions: int | None = None):
    held = simulated_table(spark, simulation, name, partitions).toPandas()
    return held.sort_values(list(TABLES[name].keys)).reset_index(drop=True)


@pytest.fixture(scope="module")
def log(spark):
    return {name: rows(spark, SIMULATION, name) for name in ALL}


@pytest.mark.parametrize("name", ALL)
def test_partitions_change_nothing_and_the_seed_does(spark, log, name: str) -> None:
    assert rows(spark, SIMULATION, name, 1).equals(log[name])
    assert rows(spark, SIMULATION, name, 3).equals(log[name])
    other = Simulation(4600, 12, 6, AMOUNTS, CALENDAR, Settings())
    assert not rows(spark, other, name).equals(log[name])


@pytest.mark.parametrize("name", ALL)
def test_keys_are_unique_and_the_columns_are_the_contracts(log, name: str) -> None:
    assert list(log[name].columns) == TABLES[name].columns
    assert not log[name].duplicated(list(TABLES[name].keys)).any()
    required = [f.name for f in TABLES[name].schema if not f.nullable]
    assert log[name][required].notna().all().all()


@pytest.mark.parametrize("name", ALL)
def test_more_users_change_nobody(spark, log, name: str) -> None:
    fewer = rows(spark, Simulation(700, 12, 5, AMOUNTS, CALENDAR, Settings()), name)
    column = "bonus_id" if name == "redemptions" else "user_id"
    same = log[name][log[name][column] < "u000000700"].reset_index(drop=True)
    assert fewer.equals(same)


def test_hidden_states_are_in_the_truth_and_nowhere_else(log) -> None:
    for name in EVENT_TABLES:
        assert not {"type", "habit", "fatigue"} & set(log[name].columns)
    truth = log["market_truth"].merge(log["users"], on="user_id")
    table = (
        truth.groupby(["segment", "type"]).size().unstack() / truth.groupby("segment").size().max()
    )
    share = (table.T / table.sum(axis=1)).T
    # A segment tells a little about the type, and no more.
    assert 0.02 < float((share - share.mean()).abs().to_numpy().max()) < 0.25


def test_events_lie_inside_their_period_after_the_bonus(log) -> None:
    bonuses, activity = log["bonuses"], log["activity"]
    sent = (
        bonuses.sent_ts.dt.tz_localize("UTC") if bonuses.sent_ts.dt.tz is None else bonuses.sent_ts
    )
    assert all(CALENDAR.start(CALENDAR.index(s)) == s for s in sent.unique())
    origin = np.datetime64(CALENDAR.origin.replace(tzinfo=None))
    offset = (activity.event_ts - origin) % np.timedelta64(1, "D")
    assert offset.min() > timedelta(minutes=10)
    paid = log["redemptions"].merge(bonuses, on="bonus_id", suffixes=("", "_face"))
    assert len(paid) == len(log["redemptions"]) > 1000
    assert (paid.redeemed_ts > paid.sent_ts).all()
    assert (paid.redeemed_ts < paid.sent_ts + CALENDAR.length).all()
    assert (paid.amount == paid.amount_face).all()
    assert (paid.level > 0).all()
    visited = activity[activity.kind == "purchase"]
    found = paid.merge(
        visited, left_on=["user_id", "redeemed_ts"], right_on=["user_id", "event_ts"]
    )
    assert len(found) == len(paid)


def dense(log) -> tuple[np.ndarray, ...]:
    """Levels, returns and propensities, arrays (periods, n), from the event tables alone."""
    users = {user: i for i, user in enumerate(log["users"].user_id)}
    shape = (SIMULATION.periods, len(users))
    levels, returned = np.zeros(shape, dtype=int), np.zeros(shape, dtype=bool)
    propensity, offered = np.ones(shape), np.zeros(shape, dtype=bool)
    origin = np.datetime64(CALENDAR.origin.replace(tzinfo=None))

    def place(frame, column: str):
        period = (frame[column] - origin) // np.timedelta64(1, "D")
        return period.to_numpy(), frame.user_id.map(users).to_numpy()

    at = place(log["bonuses"], "sent_ts")
    levels[at], propensity[at], offered[at] = log["bonuses"].level, log["bonuses"].propensity, True
    returned[place(log["activity"], "event_ts")] = True
    return levels, returned, propensity, offered


def test_the_events_alone_give_the_logged_propensities(log) -> None:
    levels, returned, propensity, offered = dense(log)
    behaviour = Behaviour(Settings().behaviour, len(AMOUNTS))
    drawn, expected = np.zeros(6), np.zeros(6)
    for period in range(SIMULATION.periods):
        chance = behaviour.propensities(levels[:period], returned[:period])
        mine = chance[np.arange(levels.shape[1]), levels[period]]
        here = offered[period]
        assert np.allclose(mine[here], propensity[period, here])
        expected += chance[here].sum(axis=0)
        drawn += np.bincount(levels[period, here], minlength=6)
    total = drawn.sum()
    assert np.allclose(drawn / total, expected / total, atol=4 * np.sqrt(0.25 / total))
    assert 0.4 < drawn[0] / total < 0.6


def test_returns_happen_as_the_chain_says(log) -> None:

    levels, returned, _, offered = dense(log)
    truth = log["market_truth"]
    users = {user: i for i, user in enumerate(log["users"].user_id)}
    origin = np.datetime64(CALENDAR.origin.replace(tzinfo=None))
    at = (
        ((truth.period_start - origin) // np.timedelta64(1, "D")).to_numpy(),
        truth.user_id.map(users).to_numpy(),
    )
    chance = build_chain(Settings(), AMOUNTS).return_probability[
        truth.type, truth.habit, truth.fatigue, levels[at]
    ]
    assert len(truth) == offered.sum()
    assert returned[at].mean() == pytest.approx(chance.mean(), abs=4 * np.sqrt(0.2 / len(truth)))
    assert returned[~offered].sum() == 0


@pytest.mark.parametrize(("field", "value"), [("users", 0), ("periods", 0), ("seed", -1)])
def test_a_mistaken_size_is_named(field: str, value: int) -> None:
    sizes = {"users": 10, "periods": 5, "seed": 1} | {field: value}
    with pytest.raises(UserError, match=f"{field} = {value}: allowed"):
        Simulation(**sizes, amounts=AMOUNTS, calendar=CALENDAR, settings=Settings())
