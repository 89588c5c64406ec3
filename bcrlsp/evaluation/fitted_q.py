"""Fitted Q evaluation for a finite window, linear in features: solved exactly, not by descent.

With k periods left, Q_0 = 0 and

    Q_k(x, a) = E[r + gamma Σ_b π(b | x') Q_{k-1}(x', b) | x, a],

each by one penalised regression of r + gamma V_{k-1}(x') on the features of (x, a). Le, Voloshin
and Yue, Batch policy learning under constraints, ICML 2019; Duan, Jia and Wang, Minimax-optimal
off-policy evaluation with linear function approximation, ICML 2020. An infinite horizon would be
another quantity than the sum along the window which the importance estimators estimate.

Q(x, a) = phi(x) · (w + w_a): what the levels share is learned from all rows and each level's
difference from its own, penalised, so that a rare level falls back to the common value.

Several heads with features of their own are a random ensemble mixture (Agarwal, Schuurmans and
Norouzi, ICML 2020). Its loss, the expected square of Σ_j α_j (Q_j - y_j) over mixtures α uniform on
the simplex, has E[α_i α_j] ∝ 1 + [i = j], so that it is minimised exactly as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from bcrlsp.evaluation.features import Features
from bcrlsp.evaluation.log import Bools, Floats, Ints, Log
from bcrlsp.evaluation.settings import Settings

BLOCK = 32_768
"""Rows whose features are made at a time when a fitted model is applied."""


@dataclass(frozen=True, eq=False)
class FittedQ:
    """Q for every number of periods left.

    heads: one feature map a head. coefficients: one array (periods, size_j, a) a head; entry
    k - 1 is Q with k periods left.
    """

    heads: tuple[Features, ...]
    coefficients: tuple[Floats, ...]

    def values(self, states: Floats, to_go: Ints) -> Floats:
        """Q(x_i, ·) with to_go_i periods left, array (n, a).

        states: array (n, d). to_go: array (n,), at least 1; more than any user of the fit had
        left counts as the most that one had.
        """
        longest, _, width = self.coefficients[0].shape
        result = np.zeros((len(states), width))
        to_go = np.minimum(to_go, longest)
        order = np.argsort(to_go, kind="stable")
        for start in range(0, len(order), BLOCK):
            rows = order[start : start + BLOCK]
            left = to_go[rows]
            for features, coefficients in zip(self.heads, self.coefficients, strict=True):
                phi = features(states[rows])
                for k in np.unique(left):
                    part = left == k
                    result[rows[part]] += phi[part] @ coefficients[k - 1]
        result /= len(self.heads)
        return result


@dataclass(frozen=True, eq=False)
class _Regression:
    """The penalised normal equations over some rows: moments -> coefficients.

    The map is linear and symmetric, so that it is its own adjoint.
    """

    rows: Bools
    solve: Callable[[list[Floats]], list[Floats]]


class FiniteHorizonFit:
    """Fits Q on a log; keeps the features in memory for `influence`."""

    def __init__(self, log: Log, heads: tuple[Features, ...], settings: Settings) -> None:
        self._log = log
        self._heads = heads
        self._settings = settings
        self._phi = [features(log.features) for features in heads]
        self._next = log.next_rows
        self._to_go = log.to_go
        self._follows = (self._next >= 0) | log.ended
        self._regressions: dict[int, _Regression] = {}
        longest = int(log.horizon.max())
        width = log.target.shape[1]
        self._weights = [np.zeros((longest, phi.shape[1], width)) for phi in self._phi]
        for k in range(1, longest + 1):
            regression = self._regression(k)
            outcomes = _mixed([self._outcome(j, k) for j in range(len(heads))])
            moments = [
                _moments(phi, log.levels, outcome, width, regression.rows)
                for phi, outcome in zip(self._phi, outcomes, strict=True)
            ]
            for weights, solution in zip(self._weights, regression.solve(moments), strict=True):
                weights[k - 1] = solution

    @property
    def model(self) -> FittedQ:
        """The fitted values."""
        return FittedQ(self._heads, tuple(self._weights))

    def influence(self) -> Floats:
        """First-order effect of each user on the fitted mean value of the first rows.

        The estimate is a smooth function of the regressions' moments; going backwards through
        them gives each row's weight in the answer, and weight times residual summed over a
        user's rows is the user's influence (Duan, Jia and Wang 2020, section 5). Returns array
        (n,); the standard error of the estimate is that of this mean.
        """
        log, count = self._log, len(self._log.users)
        rows_influence = np.zeros(len(log.levels))
        first = log.offsets[:-1]
        heads = range(len(self._phi))
        carried = [np.zeros_like(weights[0]) for weights in self._weights]
        for k in range(len(self._weights[0]), 0, -1):
            starting = first[log.horizon == k]
            sensitivity = [
                carried[j]
                + self._phi[j][starting].T @ log.target[starting] / (count * len(self._phi))
                for j in heads
            ]
            regression = self._regression(k)
            directions = regression.solve(sensitivity)
            weights = _mixed(
                [
                    _at_levels(self._phi[j] @ directions[j], log.levels) * regression.rows
                    for j in heads
                ]
            )
            following = regression.rows & (self._next >= 0)
            after = self._next[following]
            for j in heads:
                fitted = _at_levels(self._phi[j] @ self._weights[j][k - 1], log.levels)
                rows_influence += weights[j] * (self._outcome(j, k) - fitted)
                pull = log.gamma * weights[j][following]
                carried[j] = self._phi[j][after].T @ (pull[:, None] * log.target[after])
        return count * log.total(rows_influence)

    def _outcome(self, head: int, left: int) -> Floats:
        """r + gamma V_{left-1}(x') of one head, array (N,)."""
        log = self._log
        if left == 1:
            return log.rewards
        values = self._phi[head] @ self._weights[head][left - 2]
        expected = (log.target * values).sum(1)
        return log.rewards + log.gamma * np.where(self._next >= 0, expected[self._next], 0.0)

    def _regression(self, left: int) -> _Regression:
        """With one period left any row serves; with more, only a row that shows what follows."""
        pooled = self._settings.stationary
        key = min(left, 2) if pooled else left
        if key not in self._regressions:
            rows = np.ones(len(self._to_go), dtype=np.bool_) if pooled else self._to_go == left
            self._regressions[key] = self._factorise(rows if left == 1 else rows & self._follows)
        return self._regressions[key]

    def _factorise(self, rows: Bools) -> _Regression:
        levels, width = self._log.levels, self._log.target.shape[1]
        penalty = np.concatenate(
            [features.penalty(self._settings.ridge) for features in self._heads]
        )
        sizes = [phi.shape[1] for phi in self._phi]
        size, ends = len(penalty), np.cumsum(sizes)
        system = np.zeros(((width + 1) * size, (width + 1) * size))
        for level in range(width):
            chosen = rows & (levels == level)
            phi = np.concatenate([head[chosen] for head in self._phi], axis=1)
            gram = phi.T @ phi
            own = slice((level + 1) * size, (level + 2) * size)
            system[:size, :size] += gram
            system[:size, own] = system[own, :size] = system[own, own] = gram
        head_of = np.tile(np.repeat(np.arange(len(sizes)), sizes), width + 1)
        system *= 1.0 + (head_of[:, None] == head_of)  # to scale with `_mixed`
        # A penalty of its own for every coefficient, the shared ones' next to none.
        shares = np.concatenate([np.full(size, 1e-3), np.ones(width * size)])
        system[np.diag_indices_from(system)] += 2 * shares * np.tile(penalty, width + 1)
        factor = cho_factor(system, lower=True, overwrite_a=True, check_finite=False)

        def lift(parts: list[Floats]) -> Floats:
            stacked = np.concatenate(parts)  # (size, a)
            return np.concatenate([stacked.sum(1), stacked.T.ravel()])

        def lower(solution: Floats) -> list[Floats]:
            shared, own = solution[:size, None], solution[size:].reshape(width, size).T
            return np.split(shared + own, ends[:-1])

        def apply(parts: list[Floats]) -> list[Floats]:
            return lower(cho_solve(factor, lift(parts), check_finite=False))

        return _Regression(rows, apply)


def _mixed(heads: list[Floats]) -> list[Floats]:
    """v_j + Σ_l v_l for each head: the mixtures' second moments applied, to scale."""
    total = np.sum(heads, axis=0)
    return [head + total for head in heads]


def _moments(phi: Floats, levels: Ints, outcome: Floats, width: int, rows: Bools) -> Floats:
    """Σ phi(x_i) y_i over the rows of each level, array (size, a)."""
    spread = np.zeros((len(outcome), width))
    spread[np.arange(len(outcome)), levels] = outcome * rows
    return phi.T @ spread


def _at_levels(values: Floats, levels: Ints) -> Floats:
    chosen: Floats = values[np.arange(len(levels)), levels]
    return chosen
