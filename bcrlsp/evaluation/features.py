"""A fixed map from states to features, on which every regression here is linear."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bcrlsp.evaluation.log import Floats
from bcrlsp.evaluation.settings import Settings

PROBE = 4096
"""Rows that show whether the states are few and how far apart they lie."""


@dataclass(frozen=True, eq=False)
class Features:
    """phi(state): an intercept, then either one indicator a state or smooth features.

    Where the log holds few distinct states, phi is their indicators and a regression is a table
    of means. Otherwise phi is the standardised state and random Fourier features of it (Rahimi
    and Recht, NeurIPS 2007), sqrt(2 / m) cos(omega x + shift), an approximation of a Gaussian
    kernel whose width is the median distance of two states.

    table: array (s, d) of the distinct states, sorted, or None. centre, scale: arrays (d,).
    omega: array (d, m). shift: array (m,).
    """

    centre: Floats
    scale: Floats
    omega: Floats
    shift: Floats
    table: Floats | None = None

    @staticmethod
    def fit(states: Floats, settings: Settings, seed: int) -> Features:
        """The map for these states; states: array (n, d), finite."""
        rng = np.random.default_rng(seed)
        spread = states.std(0)
        # A column that rounding alone moves is constant.
        spread[spread <= 1e-9 * np.maximum(1.0, np.abs(states).max(0))] = np.inf
        centre = states.mean(0)
        probe = states[rng.permutation(len(states))[:PROBE]]
        table = None
        if len(np.unique(probe, axis=0)) <= settings.table_states:
            distinct = np.unique(states, axis=0)
            table = distinct if len(distinct) <= settings.table_states else None
        scaled = (probe - centre) / spread
        half = len(scaled) // 2
        distances = np.linalg.norm(scaled[:half] - scaled[half : 2 * half], axis=1)
        width = float(np.median(distances)) if half else 1.0
        omega = rng.normal(size=(states.shape[1], settings.fourier_features)) / (width or 1.0)
        shift = rng.uniform(0, 2 * np.pi, settings.fourier_features)
        return Features(centre, spread, omega, shift, table)

    def __call__(self, states: Floats) -> Floats:
        """phi of each state, array (n, size); a state that the table lacks has the intercept."""
        ones = np.ones((len(states), 1))
        if self.table is not None:
            everything = np.concatenate([self.table, states])
            distinct, codes = np.unique(everything, axis=0, return_inverse=True)
            known, asked = codes[: len(self.table)], codes[len(self.table) :]
            column = np.full(len(distinct), -1)
            column[known] = np.arange(len(self.table))
            index = column[asked]
            indicators = (index[:, None] == np.arange(len(self.table))).astype(np.float64)
            return np.concatenate([ones, indicators], axis=1)
        scaled = (states - self.centre) / self.scale
        waves = np.cos(scaled @ self.omega + self.shift)
        if self.omega.shape[1]:
            waves *= np.sqrt(2 / self.omega.shape[1])
        return np.concatenate([ones, scaled, waves], axis=1)

    def penalty(self, ridge: float) -> Floats:
        """Ridge penalty of each feature, array (size,): next to none on the intercept, and next
        to none on a table, whose means are wanted as they are."""
        size = 1 + (
            len(self.table) if self.table is not None else self.omega.shape[1] + len(self.centre)
        )
        values = np.full(size, 1e-6 if self.table is not None else ridge)
        values[0] = 1e-9 if self.table is not None else 1e-6
        return values
