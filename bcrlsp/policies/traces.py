"""Traces: the recurrent state of a history. NumPy alone, so that scoring needs no torch.

One period moves every trace by a fixed rule from what happened in it (the amount sent, whether the
user was active): fading sums at several rates, the last periods as they were, times since, and
counters that go up and down between bounds. Nothing in them is learned, so they are known for every
history at once, and what follows a level and an outcome is exact; the networks that read them are
learned.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float32]

# Fading sums: the share that is kept a period, and what is summed, of activity, bonus, amount,
# activity under a bonus and activity by amount. Bonuses alone are not summed slowly: a log has
# nobody with a long silence or a long row of bonuses, and networks would extrapolate along such
# sums.
_SUMMED = (
    *((0.5, of) for of in range(5)),
    *((0.8, of) for of in range(5)),
    *((0.93, of) for of in (0, 3, 4)),
    *((0.98, of) for of in (0, 3, 4)),
)
_LAGS = 8
_UNIT, _CAP = 0.1, 3.2
# Tops of counters: of activity twice, of bonuses twice, of amounts above half of the largest.
_TOPS = (4.0, 8.0, 3.0, 6.0, 4.0)

_SUMS = slice(0, len(_SUMMED))
_ACTIVE = slice(_SUMS.stop, _SUMS.stop + _LAGS)
_AMOUNT = slice(_ACTIVE.stop, _ACTIVE.stop + _LAGS)
_TIMES = slice(_AMOUNT.stop, _AMOUNT.stop + 3)
_WALKS = slice(_TIMES.stop, _TIMES.stop + len(_TOPS))

WIDTH = _WALKS.stop
"""Numbers of a state."""
READ = WIDTH + 2
"""Width of `read`."""

OF_ACTIVITY = tuple(
    [k for k, (_, of) in enumerate(_SUMMED) if of == 0]
    + [*range(_ACTIVE.start, _ACTIVE.stop), _TIMES.start, _TIMES.start + 2]
    + [_WALKS.start, _WALKS.start + 1, WIDTH]
)
"""Places in `read` of what tells of activity alone, whatever was sent."""

_KEEP = np.array([kept for kept, _ in _SUMMED], np.float32)
_OF = np.array([of for _, of in _SUMMED])
_TOP = np.array(_TOPS, np.float32)


@dataclass(frozen=True, eq=False)
class Events:
    """What happened in a period. amounts: float32 (...), sent, as shares of the largest. outcome:
    float32 (...), 1 where active."""

    amounts: Floats
    outcome: Floats

    @classmethod
    def of(cls, shares: ArrayLike, levels: NDArray[np.integer], outcome: ArrayLike) -> "Events":
        """shares: (a,), amounts of the levels as shares of the largest."""
        return cls(
            np.asarray(shares, np.float32)[levels], np.broadcast_to(outcome, levels.shape) * _ONE
        )


_ONE = np.float32(1)


def begin(users: int) -> Floats:
    """States of users without a history, (users, WIDTH)."""
    state = np.zeros((users, WIDTH), np.float32)
    state[:, _TIMES.start : _TIMES.start + 2] = _CAP
    return state


def after(state: Floats, events: Events) -> Floats:
    """States one period later, (..., WIDTH); the shapes of `state[..., 0]` and of the events are
    broadcast."""
    amounts, active = events.amounts, events.outcome
    sent = (amounts > 0).astype(np.float32)
    shape = np.broadcast_shapes(state.shape[:-1], amounts.shape)
    moved = np.empty((*shape, WIDTH), np.float32)
    happened = np.stack([active, sent, amounts, active * sent, active * amounts], axis=-1)
    moved[..., _SUMS] = _KEEP * state[..., _SUMS] + (1 - _KEEP) * happened[..., _OF]
    for place, newest in ((_ACTIVE, active), (_AMOUNT, amounts)):
        moved[..., place.start] = newest
        moved[..., place.start + 1 : place.stop] = state[..., place.start : place.stop - 1]
    times = np.minimum(state[..., _TIMES] + np.float32(_UNIT), np.float32(_CAP))
    moved[..., _TIMES] = times * np.stack([1 - active, 1 - sent, np.ones_like(active)], axis=-1)
    steps = np.stack([active, active, sent, sent, (amounts > 0.5) * _ONE], axis=-1)
    moved[..., _WALKS] = np.clip(state[..., _WALKS] + (2 * steps - 1) / _TOP, 0, 1)
    return moved


def read(state: Floats) -> Floats:
    """What networks are given of states, (..., READ): short times are told apart more finely."""
    times = state[..., _TIMES.start : _TIMES.start + 2]
    return np.concatenate([state, 1 / (1 + times / np.float32(_UNIT))], axis=-1)


def history(
    shares: ArrayLike, levels: NDArray[np.integer], outcome: NDArray[np.floating]
) -> Floats:
    """States at the start of each period, (n, t, WIDTH), of histories (n, t), oldest first."""
    users, periods = levels.shape
    found = np.empty((users, periods, WIDTH), np.float32)
    state = begin(users)
    for t in range(periods):
        found[:, t] = state
        if t + 1 < periods:
            state = after(state, Events.of(shares, levels[:, t], outcome[:, t]))
    return found
