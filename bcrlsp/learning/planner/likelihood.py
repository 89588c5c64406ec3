"""Compiled passes over histories under a response model.

Given where a user's record begins and the class, all later states follow from the events. So a user
is followed from each start (h) for each class (k) at once, and the likelihood needs no smoothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from bcrlsp.compiled import compiled
from bcrlsp.learning.planner.histories import Histories
from bcrlsp.learning.planner.response import Floats, Ints, Response

# Users are split into so many parts, whatever the threads: sums do not depend on the machine.
_PARTS = 16
_ROWS_A_THREAD = 50_000


class Expected(NamedTuple):
    """Expectations over the hidden classes and starts.

    log_likelihood: of all users. counts: array (s, a, 2, k), rows away (0) and returned (1).
    begins: array (h, k), users.
    """

    log_likelihood: float
    counts: Floats
    begins: Floats


def expected(response: Response, histories: Histories) -> Expected:
    """The E-step: log-likelihood and expected counts."""
    with _threads_for(len(histories.levels)):
        likelihoods, counts, begins = _expected(*_arrays(response, histories))
    return Expected(float(likelihoods.sum()), counts.sum(axis=0), begins.sum(axis=0))


def user_log_likelihoods(response: Response, histories: Histories) -> Floats:
    """Log-likelihood of each user's returns, array (u,)."""
    return posterior(response, histories)[1]


def posterior(response: Response, histories: Histories) -> tuple[Floats, Floats]:
    """Posterior of start and class, array (u, h, k), and log-likelihoods, array (u,)."""
    with _threads_for(len(histories.levels)):
        weights, likelihoods = _posterior(*_arrays(response, histories))
    return np.asarray(weights), np.asarray(likelihoods)


def _arrays(response: Response, histories: Histories) -> tuple[NDArray[Any], ...]:
    """What the compiled passes are given."""
    structure = response.structure
    return (
        histories.offsets,
        histories.levels,
        histories.returned,
        structure.after,
        structure.start,
        response.log_chances,
        response.log_begin,
    )


@contextmanager
def _threads_for(rows: int) -> Iterator[None]:
    """Threads that are worth it: where others use the cores too, a pass ends with its slowest
    thread, and a short one waits for it many times as long as it computes."""
    most = numba.get_num_threads()
    numba.set_num_threads(min(most, 1 + rows // _ROWS_A_THREAD))
    try:
        yield
    finally:
        numba.set_num_threads(most)


class Belief:
    """The Bayes filter of n users: where each is, and of which class, from the events so far.

    response: the model. users: n, with no events yet.
    """

    def __init__(self, response: Response, users: int) -> None:
        self._response = response
        start = response.structure.start
        self.log_weights: Floats = np.repeat(response.log_begin[None], users, axis=0)  # (n, h, k)
        self.states: Ints = np.repeat(start[None], users, axis=0)  # (n, h)

    def update(
        self,
        levels: NDArray[np.integer],
        returned: NDArray[Any],
        present: NDArray[np.bool_] | None = None,
    ) -> None:
        """One period was seen. Arrays (n,); users who are not present stay as they are."""
        back = returned.astype(np.int64)
        sent = (levels > 0).astype(np.int64)
        seen = self._response.log_chances[self.states, levels[:, None], back[:, None]]
        moved = self._response.structure.after[back[:, None], sent[:, None], self.states]
        if present is not None:
            seen = np.where(present[:, None, None], seen, 0.0)
            moved = np.where(present[:, None], moved, self.states)
        self.log_weights += seen
        self.states = moved

    @property
    def weights(self) -> Floats:
        """Posterior of (start, class), array (n, h, k); each user's sums to 1."""
        shifted = self.log_weights - self.log_weights.max(axis=(1, 2), keepdims=True)
        chances = np.exp(shifted)
        return np.asarray(chances / chances.sum(axis=(1, 2), keepdims=True))

    def expect(self, table: Floats) -> Floats:
        """Expectation under the belief. table: array (s, c, k). Returns array (n, c)."""
        weights = self.weights
        found = np.zeros((len(weights), table.shape[1]))
        for h in range(weights.shape[1]):
            found += np.einsum("nk,nck->nc", weights[:, h], table[self.states[:, h]])
        return found

    def draw(self, luck: Floats) -> tuple[Ints, Ints]:
        """A start and a class for each user from the belief; luck: uniform numbers (n,)."""
        weights = self.weights
        edges = np.cumsum(weights.reshape(len(weights), -1), axis=1)
        drawn = (luck[:, None] * edges[:, -1:] >= edges).sum(axis=1)
        return np.divmod(np.minimum(drawn, edges.shape[1] - 1), weights.shape[2])


@compiled()
def _follow(  # type: ignore[no-untyped-def]
    first, last, levels, returned, after, start, log_chances, log_begin, weights, states
):
    """Fills weights (h, k) with the posterior of one user; returns the log-likelihood."""
    starts, classes = weights.shape
    for h in range(starts):
        states[h] = start[h]
        for k in range(classes):
            weights[h, k] = log_begin[h, k]
    for row in range(first, last):
        level, back = levels[row], returned[row]
        sent = 1 if level > 0 else 0
        for h in range(starts):
            state = states[h]
            for k in range(classes):
                weights[h, k] += log_chances[state, level, back, k]
            states[h] = after[back, sent, state]
    top = weights.max()
    total = 0.0
    for h in range(starts):
        for k in range(classes):
            weights[h, k] = np.exp(weights[h, k] - top)
            total += weights[h, k]
    for h in range(starts):
        for k in range(classes):
            weights[h, k] /= total
    return top + np.log(total)


@compiled(parallel=True)
def _expected(  # type: ignore[no-untyped-def]
    offsets, levels, returned, after, start, log_chances, log_begin
):
    users = len(offsets) - 1
    starts, classes = log_begin.shape
    likelihoods = np.zeros(_PARTS)
    count, levels_held, outcomes, _ = log_chances.shape
    counts = np.zeros((_PARTS, count, levels_held, outcomes, classes))
    begins = np.zeros((_PARTS, starts, classes))
    for part in numba.prange(_PARTS):
        weights = np.empty((starts, classes))
        states = np.empty(starts, np.int64)
        mine = counts[part]
        for user in range(users * part // _PARTS, users * (part + 1) // _PARTS):
            first, last = offsets[user], offsets[user + 1]
            likelihoods[part] += _follow(
                first, last, levels, returned, after, start, log_chances, log_begin, weights, states
            )
            for h in range(starts):
                state = start[h]
                for k in range(classes):
                    begins[part, h, k] += weights[h, k]
                for row in range(first, last):
                    level, back = levels[row], returned[row]
                    for k in range(classes):
                        mine[state, level, back, k] += weights[h, k]
                    state = after[back, 1 if level > 0 else 0, state]
    return likelihoods, counts, begins


@compiled(parallel=True)
def _posterior(  # type: ignore[no-untyped-def]
    offsets, levels, returned, after, start, log_chances, log_begin
):
    users = len(offsets) - 1
    starts, classes = log_begin.shape
    found = np.empty((users, starts, classes))
    likelihoods = np.empty(users)
    for user in numba.prange(users):
        states = np.empty(starts, np.int64)
        likelihoods[user] = _follow(
            offsets[user], offsets[user + 1], levels, returned,
            after, start, log_chances, log_begin, found[user], states,
        )  # fmt: skip
    return found, likelihoods
