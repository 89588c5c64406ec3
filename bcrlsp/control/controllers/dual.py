"""Prices for a fluid future: the dual of the budget LP over bins of time, smoothed, by Newton.

Variables are prices of each budget at each of a few horizons: the position of a budget at a horizon
must keep its room. Softmax in place of the maximum makes the dual smooth (its temperature is small
beside the gains), so that projected Newton steps (Bertsekas 1982) find its minimum in a few passes.
The prices steer; no bound is claimed from them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_STEPS, _HALVINGS = 25, 12

NO_BOUND = 1e15
"""Room of a budget without a limit."""


@dataclass(frozen=True)
class Future:
    """What is still to come.

    gain: (n, a) of a sample of users, -inf where a level is not possible, 0 at level 0.
    face, expected: (n, a, k), what a level takes of each budget before and after all is settled.
    arrivals: (j,), users expected in each bin of time. held: (j, h), share of face - expected that
    is still committed at each horizon. counted: (j, h) bool, the bin lies before the horizon.
    room: (k, h), what each budget can hold of it at each horizon.
    """

    gain: Floats
    face: Floats
    expected: Floats
    arrivals: Floats
    held: Floats
    counted: NDArray[np.bool_]
    room: Floats


def solve(future: Future, start: Floats, temperature: float) -> Floats:
    """Prices (k, h), at least 0, that minimise the smoothed dual, from `start` (k, h)."""
    k, h = future.room.shape
    program = _Program(future, temperature)
    prices = np.maximum(start, 0.0).ravel()
    value, slope, curve = program.at(prices)
    for _ in range(_STEPS):
        free = (prices > 0) | (slope < 0)
        if not free.any() or np.abs(slope[free]).max() <= 1e-3 * program.size:
            break
        step = np.zeros_like(prices)
        block = curve[np.ix_(free, free)]
        ridge = 1e-6 * max(np.trace(block) / max(free.sum(), 1), 1e-12)
        step[free] = -np.linalg.solve(block + ridge * np.eye(free.sum()), slope[free])
        # A price that no choice answers to yet must not fly off.
        step = np.clip(step, -program.scale, program.scale)
        length = 1.0
        for _ in range(_HALVINGS):
            moved = np.maximum(prices + length * step, 0.0)
            found = program.at(moved)
            if found[0] <= value + 1e-4 * slope @ (moved - prices):
                break
            length /= 2
        else:
            break
        close = np.abs(moved - prices).max() <= 1e-4 * program.scale
        prices, (value, slope, curve) = moved, found
        if close:
            break
    return prices.reshape(k, h)


class _Program:
    def __init__(self, future: Future, temperature: float) -> None:
        n, a, k = future.face.shape
        h, bins = future.room.shape[1], len(future.arrivals)
        self._gain, self._temperature = future.gain.reshape(1, n, a), temperature
        uses = np.concatenate([future.face, future.expected], axis=2).reshape(n * a, 2 * k)
        self._uses = uses
        self._squares = (uses[:, :, None] * uses[:, None, :]).reshape(n * a, 4 * k * k)
        self._arrivals, self._room = future.arrivals, future.room.ravel()
        # From prices (k * h) to a bin's prices of face and of expected amounts (2k): (j, 2k, k*h).
        share = np.stack([future.held, 1 - future.held], axis=1) * future.counted[:, None, :]
        self._maps = np.einsum("jsh,km->jskmh", share, np.eye(k)).reshape(bins, 2 * k, k * h)
        positive = future.gain[np.isfinite(future.gain) & (future.gain > 0)]
        dearest = future.face[future.face > 0]
        unit = positive.mean() if len(positive) else 1.0
        self.scale = 2.0 * unit / (dearest.mean() if len(dearest) else 1.0)
        bounded = self._room[self._room < NO_BOUND]
        self.size = max(float(bounded.max(initial=0.0)), float(dearest.max(initial=0.0)), 1e-9)

    def at(self, prices: Floats) -> tuple[float, Floats, Floats]:
        """Value, gradient (d,) and Hessian (d, d) of the dual."""
        _, n, a = self._gain.shape
        bins, width = self._maps.shape[:2]
        paid = (self._uses @ (self._maps @ prices).T).T.reshape(bins, n, a)
        scores = (self._gain - paid) / self._temperature
        top = scores.max(axis=2, keepdims=True)
        weights = np.exp(scores - top)
        total = weights.sum(axis=2, keepdims=True)
        chances = weights / total
        each = np.empty((bins, n, width))
        uses = self._uses.reshape(n, a, width)
        for p in range(width):
            each[:, :, p] = np.einsum("jil,il->ji", chances, uses[:, :, p])
        square = (chances.reshape(bins, n * a) @ self._squares).reshape(bins, width, width)
        spread = (square - each.transpose(0, 2, 1) @ each) / (n * self._temperature)
        logs = (np.log(total) + top).mean(axis=(1, 2))
        value = float(self._room @ prices + self._temperature * (self._arrivals @ logs))
        used = np.einsum("j,jpd,jp->d", self._arrivals, self._maps, each.mean(axis=1))
        curve = np.einsum(
            "j,jpd,jpq,jqe->de", self._arrivals, self._maps, spread, self._maps, optimize=True
        )
        return value, self._room - used, curve
