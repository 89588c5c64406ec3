"""The behaviour policy where its propensities were not logged: a calibrated, cross-fitted model.

Multinomial logistic regression on `Features`, fitted on the other folds of users, then vector
scaling (Guo et al., On calibration of modern neural networks, ICML 2017): one scale and one
offset a level, fitted on the out-of-fold predictions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from bcrlsp.evaluation.crossfit import cross_fit
from bcrlsp.evaluation.features import Features
from bcrlsp.evaluation.log import Bools, Floats, Ints, Log
from bcrlsp.evaluation.settings import Settings

BINS = 10
"""Bins of equal size in a calibration error."""

OFFSET_PENALTY = 1e-6
"""Ridge on the offsets of the calibration, a row."""

MASKED = -1e9
"""Logit of a level that was not allowed."""


@dataclass(frozen=True)
class Calibration:
    """How well the modelled propensities agree with the levels sent.

    expected_error: mean over levels of the expected calibration error, |mean prediction - share
    sent| averaged over ten bins of predictions, weighted by the share of the level.
    by_level: for each level the mean prediction, the share sent, and its calibration error.
    log_loss: mean -log of the prediction for the level sent, in nats.
    """

    expected_error: float
    by_level: tuple[tuple[float, float, float], ...]
    log_loss: float


@dataclass(frozen=True, eq=False)
class _Logistic:
    """Logits are features(state) @ weights; weights: array (size, a)."""

    features: Features
    weights: Floats

    def logits(self, states: Floats) -> Floats:
        return self.features(states) @ self.weights


@dataclass(frozen=True, eq=False)
class BehaviourModel:
    """Probability of every level in a state, by fold of the user, with what calibrates it."""

    models: tuple[_Logistic, ...]
    seed: int
    scale: float
    offsets: Floats

    def probabilities(self, log: Log) -> Floats:
        """Array (N, a): rows sum to 1, levels not allowed have 0."""
        logits = self.raw_logits(log) * self.scale + self.offsets
        return np.asarray(softmax(_mask(logits, log.allowed), axis=1), dtype=np.float64)

    def raw_logits(self, log: Log) -> Floats:
        """Out-of-fold logits before calibration, array (N, a)."""
        folds = np.repeat(log.folds(len(self.models), self.seed), log.lengths)
        logits = np.zeros((len(log.levels), log.target.shape[1]))
        for fold, model in enumerate(self.models):
            rows = folds == fold
            logits[rows] = model.logits(log.features[rows])
        return logits


def fit_behaviour(log: Log, settings: Settings, seed: int) -> BehaviourModel:
    """The model of the levels sent."""
    features = Features.fit(log.features, settings, seed)
    fitted = cross_fit(log, settings, seed, lambda part: _fit_logistic(part, features, settings))
    width = log.target.shape[1]
    raw = BehaviourModel(fitted.models, seed, 1.0, np.zeros(width))
    logits = raw.raw_logits(log)

    def loss(parameters: Floats) -> tuple[float, Floats]:
        scale, offsets = parameters[0], parameters[1:]
        value, slope = _cross_entropy(_mask(logits * scale + offsets, log.allowed), log.levels)
        # Offsets are free up to a constant, and a level never sent would pull its own to -inf.
        value += 0.5 * OFFSET_PENALTY * float(offsets @ offsets)
        gradient = slope.sum(0) + OFFSET_PENALTY * offsets
        return value, np.concatenate([[(slope * logits).sum()], gradient])

    start = np.concatenate([[1.0], np.zeros(width)])
    # A negative scale would turn the model round; noise alone may ask for that, never a fit.
    bounds = [(0.0, None)] + [(None, None)] * width
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds)
    return BehaviourModel(fitted.models, seed, float(found.x[0]), np.asarray(found.x[1:]))


def calibration(probabilities: Floats, levels: Ints) -> Calibration:
    """Agreement of predictions (N, a) with the levels sent (N,)."""
    by_level = []
    for level in range(probabilities.shape[1]):
        predicted = probabilities[:, level]
        sent = (levels == level).astype(np.float64)
        bins = np.array_split(np.argsort(predicted, kind="stable"), min(BINS, len(levels)))
        error = sum(abs(predicted[rows].mean() - sent[rows].mean()) * len(rows) for rows in bins)
        by_level.append((float(predicted.mean()), float(sent.mean()), float(error / len(levels))))
    chosen = probabilities[np.arange(len(levels)), levels]
    return Calibration(
        expected_error=float(sum(share * error for _, share, error in by_level)),
        by_level=tuple(by_level),
        log_loss=float(-np.log(np.maximum(chosen, 1e-300)).mean()),
    )


def _fit_logistic(log: Log, features: Features, settings: Settings) -> _Logistic:
    phi = features(log.features)
    penalty = features.penalty(settings.ridge)[:, None] / len(phi)
    shape = (phi.shape[1], log.target.shape[1])
    # In the coordinates in which the features' Gram matrix is 1 the curvature is bounded alike in
    # all directions (Böhning 1992): L-BFGS needs a few dozen steps in place of hundreds.
    root = np.linalg.cholesky(phi.T @ phi / len(phi) + np.diag(penalty[:, 0]))

    def loss(flat: Floats) -> tuple[float, Floats]:
        weights = solve_triangular(root, flat.reshape(shape), trans="T", lower=True)
        value, slope = _cross_entropy(_mask(phi @ weights, log.allowed), log.levels)
        value += 0.5 * float((penalty * weights**2).sum())
        gradient = solve_triangular(root, phi.T @ slope + penalty * weights, lower=True)
        return value, gradient.ravel()

    found = minimize(loss, np.zeros(shape[0] * shape[1]), jac=True, method="L-BFGS-B")
    weights = solve_triangular(root, found.x.reshape(shape), trans="T", lower=True)
    return _Logistic(features, np.asarray(weights))


def _cross_entropy(logits: Floats, levels: Ints) -> tuple[float, Floats]:
    """Mean negative log likelihood and its gradient by the logits, array (N, a)."""
    rows = np.arange(len(levels))
    logs = np.asarray(log_softmax(logits, axis=1))
    gradient = np.exp(logs)
    gradient[rows, levels] -= 1.0
    return float(-logs[rows, levels].mean()), gradient / len(levels)


def _mask(logits: Floats, allowed: Bools | None) -> Floats:
    return logits if allowed is None else np.where(allowed, logits, MASKED)
