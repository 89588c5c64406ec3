"""A block of users as dense arrays: periods by users.

Everything here is NumPy over one block of the stream (`sources.Sources.stream`): counting events
into cells, the one decision of a period, a redemption to its bonus, and the reward's window.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bcrlsp.features import Carry, FeatureSet, Records
from bcrlsp.trajectories.settings import Settings
from bcrlsp.trajectories.sources import ACTIVITY, BONUS, CARRY, REDEMPTION, USER

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Span:
    """Periods of a fold: it begins at `start`, rows are wanted for [first, stop)."""

    start: int
    first: int
    stop: int

    @property
    def periods(self) -> int:
        """Periods that are folded."""
        return self.stop - self.start


@dataclass(frozen=True, eq=False)
class Panel:
    """n users over the periods of a span (p folded, q wanted).

    users, segments: strings (n,). entry: (n,), the first period that starts after sign-up.
    carry: (w, n), at the start of the span. records: arrays (p, n).
    reward, cost, propensity: (q, n), float64; propensity is nan where unknown.
    conflicts: (q, n), int, bonuses of that user and period beyond the first.
    duplicates: events that were there more than once.
    """

    users: pa.Array
    segments: pa.Array
    entry: Ints
    carry: Carry
    records: Records
    reward: Floats
    cost: Floats
    propensity: Floats
    conflicts: Ints
    duplicates: int


@dataclass(frozen=True, eq=False)
class _Rows:
    """Rows of one tag: the user's place in the block, and the row's columns."""

    user: Ints
    period: Ints
    key: Ints
    level: Ints
    value: Floats

    def where(self, chosen: NDArray[Any]) -> "_Rows":
        return _Rows(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))


def build_panel(
    block: pa.Table, users: Ints, span: Span, feature_set: FeatureSet, settings: Settings
) -> Panel | None:
    """The panel of the users of `block`; None when none of them has signed up in time.

    block: rows of the stream, whole users. users: (rows,), place of each row's user, ascending.
    """
    tags = _numbers(block["tag"])
    signed = np.flatnonzero(tags == USER)
    # One place a user that has signed up; rows of others have nobody to belong to.
    signed = signed[np.unique(users[signed], return_index=True)[1]]
    if not len(signed):
        return None
    n = len(signed)
    places = np.full(int(users[-1]) + 1, -1, dtype=np.int64)
    places[users[signed]] = np.arange(n)
    everything = _Rows(
        user=places[users],
        period=_numbers(block["period"]),
        key=_numbers(block["key"]),
        level=_numbers(block["level"]),
        value=_floats(block["value"]),
    )
    of = {
        tag: everything.where((tags == tag) & (everything.user >= 0))
        for tag in (ACTIVITY, BONUS, REDEMPTION)
    }
    activity, repeated_events = _distinct(of[ACTIVITY])
    bonuses, repeated_bonuses = _distinct(of[BONUS])
    redemptions, repeated_redemptions = _distinct(of[REDEMPTION])
    people = everything.where(signed)

    shape = (span.periods, n)
    tail = (span.periods + settings.label_reach, n)
    events = np.bincount(_cells(activity, span, n), minlength=tail[0] * n).reshape(tail)
    decision = _decisions(bonuses, span, n)
    wanted = slice(span.first - span.start, span.periods)
    known = np.arange(span.start, span.stop)[:, None] >= people.period[None, :]
    return Panel(
        users=block["user_id"].take(pa.array(signed)).combine_chunks(),
        segments=block["segment"].take(pa.array(signed)).combine_chunks(),
        entry=people.key,
        carry=_carry(block, tags, places[users], n, feature_set),
        records=Records(known, events[: span.periods], decision.level.reshape(shape)),
        reward=_reward(activity, events, span, settings),
        cost=_cost(bonuses, redemptions, span, n, settings.attribution)[wanted],
        propensity=decision.propensity.reshape(shape)[wanted],
        conflicts=decision.conflicts.reshape(shape)[wanted],
        duplicates=repeated_events + repeated_bonuses + repeated_redemptions,
    )


@dataclass(frozen=True, eq=False)
class _Decisions:
    level: Ints
    propensity: Floats
    conflicts: Ints


def _decisions(bonuses: _Rows, span: Span, n: int) -> _Decisions:
    """The decision of each cell: arrays (p * n,).

    Several bonuses in one period count as the highest level. How likely the several together were
    is not logged, so that the propensity of such a decision is unknown.
    """
    cells = _cells(bonuses, span, n)
    level = np.zeros(span.periods * n, dtype=np.int64)
    np.maximum.at(level, cells, bonuses.level)
    conflicts = np.maximum(np.bincount(cells, minlength=len(level)) - 1, 0)
    propensity = np.full(len(level), np.nan)
    propensity[cells] = bonuses.value
    propensity[conflicts > 0] = np.nan
    return _Decisions(level, propensity, conflicts)


def _reward(activity: _Rows, events: Ints, span: Span, settings: Settings) -> Floats:
    """The reward of each wanted period: (q, n); settings.RewardSettings says which."""
    reward = settings.reward
    held: NDArray[Any] = events
    if reward.kind == "amount":
        cells = _cells(activity, span, events.shape[1])
        amounts = np.nan_to_num(activity.value)
        held = np.bincount(cells, weights=amounts, minlength=events.size).reshape(events.shape)
    total = np.zeros((span.stop - span.first, events.shape[1]))
    for later in range(reward.after, reward.after + reward.within):
        begin = span.first - span.start + later
        total += held[begin : begin + len(total)]
    return (total > 0).astype(np.float64) if reward.kind == "active" else total


def _cost(bonuses: _Rows, redemptions: _Rows, span: Span, n: int, attribution: int) -> Floats:
    """Redeemed amounts by the cell of their bonus: (p, n).

    A redemption belongs to the bonus of its id and user, in the bonus's period or up to
    `attribution` periods later.
    """
    cost = np.zeros(span.periods * n)
    if len(bonuses.key) and len(redemptions.key):
        order = np.lexsort((bonuses.user, bonuses.key))
        # Ids are unique; two equal hashes would have to fall on one user to be confused.
        at = np.searchsorted(bonuses.key[order], redemptions.key)
        found = order[np.minimum(at, len(order) - 1)]
        delay = redemptions.period - bonuses.period[found]
        valid = (
            (bonuses.key[found] == redemptions.key)
            & (bonuses.user[found] == redemptions.user)
            & (delay >= 0)
            & (delay <= attribution)
        )
        cells = _cells(bonuses.where(found[valid]), span, n)
        np.add.at(cost, cells, redemptions.value[valid])
    return cost.reshape(span.periods, n)


def _carry(block: pa.Table, tags: Ints, places: Ints, n: int, feature_set: FeatureSet) -> Carry:
    carry = feature_set.init(n)
    carried = np.flatnonzero((tags == CARRY) & (places >= 0))
    if len(carried):
        packed = block["carry"].take(pa.array(carried)).to_pylist()
        carry[:, places[carried]] = feature_set.unpack(packed)
    return carry


def _distinct(rows: _Rows) -> tuple[_Rows, int]:
    """The rows without those whose user and key were there before, and how many these were."""
    mixed = rows.key ^ (rows.user * np.int64(0x9E3779B97F4A7C1))
    ordered = np.sort(mixed)
    if not len(ordered) or not (ordered[1:] == ordered[:-1]).any():
        return rows, 0
    order = np.lexsort((rows.period, rows.key, rows.user))
    user, key = rows.user[order], rows.key[order]
    first = np.ones(len(order), dtype=bool)
    first[1:] = (user[1:] != user[:-1]) | (key[1:] != key[:-1])
    return rows.where(np.sort(order[first])), int((~first).sum())


def _cells(rows: _Rows, span: Span, n: int) -> Ints:
    """Place of each row in an array (p, n), flattened."""
    return (rows.period - span.start) * n + rows.user


def _numbers(column: pa.ChunkedArray) -> Ints:
    return np.asarray(column.fill_null(0).to_numpy(), dtype=np.int64)


def _floats(column: pa.ChunkedArray) -> Floats:
    # Arrow gives nulls of a double column as nan.
    return np.asarray(column.to_numpy(), dtype=np.float64)
