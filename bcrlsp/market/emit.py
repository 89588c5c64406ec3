"""A block of simulated users as Arrow rows: one function for each table.

A return is one visit: one to four openings of the app, then perhaps a purchase; a redeemed bonus
always comes with one. Visit, purchase and redemption lie inside the period, after the bonus, which
is sent at its first instant.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.special import ndtri

from bcrlsp.market.chain import Floats, Ints
from bcrlsp.market.simulation import BLOCK, Block, Purpose, Simulation

Columns = dict[str, pa.Array]

_SECOND = 1_000_000
_MOST_OPENINGS = 4
_PURCHASE_CHANCE = 0.3
# Users of the first day had signed up at most so many periods earlier.
_OLDEST = 60


@dataclass(frozen=True, eq=False)
class _Visits:
    """What a return looks like, arrays (periods, n); it says nothing about hidden states.

    first: instant of the first event, microseconds. gap: microseconds between events.
    openings: number of openings. purchase: money, 0: none. lag: microseconds until the log has it.
    """

    first: Ints
    gap: Ints
    openings: Ints
    purchase: Floats
    lag: Ints

    @property
    def last(self) -> Ints:
        """Instant of the event after the openings, microseconds: the purchase."""
        return self.first + self.openings * self.gap


def _visits(block: Block, simulation: Simulation) -> _Visits:
    # Drawn for the whole block, so that a shorter last block changes nobody's visits.
    drawn = block.stream(Purpose.DETAIL).random((block.history.periods, 6, BLOCK))
    when, gap, more, buys, money, lag = np.moveaxis(drawn[:, :, : block.users], 1, 0)
    length = simulation.calendar.length // timedelta(microseconds=1)
    openings = 1 + np.floor(-np.log2(1 - more)).astype(np.int64)
    amount = np.round(np.exp(np.log(12.0) + 0.6 * ndtri(np.clip(money, 1e-9, 1 - 1e-9))), 2)
    return _Visits(
        # The latest visit ends 4 * 60 s later: inside the shortest period, one hour.
        first=_starts(block, simulation)[:, None]
        + ((0.01 + 0.89 * when) * length).astype(np.int64),
        gap=((5 + 55 * gap) * _SECOND).astype(np.int64),
        openings=np.minimum(openings, _MOST_OPENINGS),
        purchase=np.where(block.history.redeemed | (buys < _PURCHASE_CHANCE), amount, 0.0),
        lag=((1 + 119 * lag) * _SECOND).astype(np.int64),
    )


def _activity(block: Block, simulation: Simulation) -> Columns:
    visits = _visits(block, simulation)
    instants, people, kinds, amounts, lags = [], [], [], [], []
    for number in range(_MOST_OPENINGS):
        rows = np.nonzero(block.history.returned & (visits.openings > number))
        instants.append(visits.first[rows] + number * visits.gap[rows])
        people.append(rows[1])
        kinds.append(np.zeros(len(rows[1]), dtype=np.int8))
        amounts.append(np.full(len(rows[1]), np.nan))
        lags.append(visits.lag[rows])
    rows = np.nonzero(block.history.returned & (visits.purchase > 0))
    instants.append(visits.last[rows])
    people.append(rows[1])
    kinds.append(np.ones(len(rows[1]), dtype=np.int8))
    amounts.append(visits.purchase[rows])
    lags.append(visits.lag[rows])
    instant, lag, amount = np.concatenate(instants), np.concatenate(lags), np.concatenate(amounts)
    return {
        "user_id": _take(_user_ids(block), np.concatenate(people)),
        "event_ts": _instants(instant),
        "kind": _take(pa.array(["open", "purchase"]), np.concatenate(kinds)),
        "amount": pa.array(amount, mask=np.isnan(amount)),
        "ingest_ts": _instants(instant + lag),
    }


def _bonuses(block: Block, simulation: Simulation) -> Columns:
    rows = np.nonzero(block.present)
    level = block.history.levels[rows]
    sent = _instants(_starts(block, simulation)[rows[0]])
    return {
        "bonus_id": _bonus_ids(block, rows),
        "user_id": _take(_user_ids(block), rows[1]),
        "sent_ts": sent,
        "level": pa.array(level.astype(np.int32)),
        "amount": pa.array(np.asarray(simulation.amounts, dtype=np.float64)[level]),
        "propensity": pa.array(block.propensity[rows]),
        "policy_id": pa.repeat(pa.scalar("behaviour"), len(level)),
        "ingest_ts": sent,
    }


def _redemptions(block: Block, simulation: Simulation) -> Columns:
    visits = _visits(block, simulation)
    rows = np.nonzero(block.history.redeemed)
    return {
        "bonus_id": _bonus_ids(block, rows),
        "user_id": _take(_user_ids(block), rows[1]),
        "redeemed_ts": _instants(visits.last[rows]),
        "amount": pa.array(block.history.cost[rows]),
        "ingest_ts": _instants(visits.last[rows] + visits.lag[rows]),
    }


def _users(block: Block, simulation: Simulation) -> Columns:
    length = simulation.calendar.length // timedelta(microseconds=1)
    before = block.stream(Purpose.SIGNUP).random(BLOCK)[: block.users]
    earlier = (before * _OLDEST * length).astype(np.int64)
    starts = _starts(block, simulation)[block.entry]
    # A decision is about those who had signed up before its period began.
    signup = _instants(starts - np.where(block.entry > 0, _SECOND, np.maximum(earlier, _SECOND)))
    names = pa.array(simulation.settings.segments)
    return {
        "user_id": _user_ids(block),
        "signup_ts": signup,
        "segment": _take(names, block.segment),
        "ingest_ts": signup,
    }


def _truth(block: Block, simulation: Simulation) -> Columns:
    rows = np.nonzero(block.present)
    start = _instants(_starts(block, simulation)[rows[0]])
    kind, habit, fatigue = (pa.array(part[rows].astype(np.int32)) for part in block.hidden)
    return {
        "user_id": _take(_user_ids(block), rows[1]),
        "period": _take(_dates(block, simulation), rows[0]),
        "period_start": start,
        "type": kind,
        "habit": habit,
        "fatigue": fatigue,
    }


def _batches(
    columns: Callable[[Block, Simulation], Columns], block: Block, simulation: Simulation
) -> Iterator[pa.RecordBatch]:
    held = columns(block, simulation)
    yield from pa.table(held).to_batches(max_chunksize=100_000)


Emitter = Callable[[Block, Simulation], Iterator[pa.RecordBatch]]

EMITTERS: dict[str, Emitter] = {
    "activity": partial(_batches, _activity),
    "bonuses": partial(_batches, _bonuses),
    "redemptions": partial(_batches, _redemptions),
    "users": partial(_batches, _users),
    "market_truth": partial(_batches, _truth),
}


def _user_ids(block: Block) -> pa.Array:
    return pa.array([f"u{number:09d}" for number in range(block.first, block.first + block.users)])


def _bonus_ids(block: Block, rows: tuple[Ints, ...]) -> pa.Array:
    periods = pa.array([f"-{period:05d}" for period in range(block.history.periods)])
    return pc.binary_join_element_wise(
        _take(_user_ids(block), rows[1]), _take(periods, rows[0]), ""
    )


def _take(values: pa.Array, rows: np.ndarray) -> pa.Array:  # type: ignore[type-arg]
    return values.take(pa.array(rows))


def _starts(block: Block, simulation: Simulation) -> Ints:
    starts = map(simulation.calendar.start, range(block.history.periods))
    return np.array([round(start.timestamp()) * _SECOND for start in starts], dtype=np.int64)


def _dates(block: Block, simulation: Simulation) -> pa.Array:
    names = [simulation.calendar.period(period) for period in range(block.history.periods)]
    return pa.array(names, pa.date32())


def _instants(micros: Ints) -> pa.Array:
    return pa.array(micros, type=pa.timestamp("us", tz="UTC"))
