"""Density ratios of states by step, from the weights of the steps before.

With w_t(x) = d_t^π(x) / d_t^μ(x), the chance of state x at step t under target over behaviour,

    w_0 = 1,   w_{t+1}(x') = E_μ[w_t(x_t) π(a_t | x_t) / μ(a_t | x_t) | x_{t+1} = x'],

each by a regression on features of the state. With a feature a state this is the estimator of
Xie, Ma and Wang, Towards optimal off-policy evaluation for reinforcement learning with
marginalized importance sampling, NeurIPS 2019. The variance of w_t π / μ does not grow with the
product of ratios; the price is that the state must be Markov.

Users who joined at different times are pooled by step: their windows may differ in length, but
not for reasons that also change how they answer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve

from bcrlsp.evaluation.crossfit import CrossFitted
from bcrlsp.evaluation.features import Features
from bcrlsp.evaluation.log import Floats, Log
from bcrlsp.evaluation.settings import Settings


@dataclass(frozen=True, eq=False)
class DensityRatio:
    """w_t(x) is features(x) @ coefficients[t - 1] for t >= 1, cut off at 0 and at `most`.

    coefficients: array (steps - 1, size). most: the largest cumulative ratio seen, array
    (steps - 1,): a mean of ratios cannot be above their maximum.
    """

    features: Features
    coefficients: Floats
    most: Floats

    def at_step(self, states: Floats, step: int) -> Floats:
        """w_step of each state, array (n,); steps past the fit's last one count as that."""
        known = min(step, len(self.coefficients))
        if known == 0:
            return np.ones(len(states))
        raw = self.features(states) @ self.coefficients[known - 1]
        return np.asarray(np.clip(raw, 0.0, self.most[known - 1]))


def fit_density_ratio(log: Log, features: Features, settings: Settings) -> DensityRatio:
    """Forward through the steps, one regression each."""
    ratios, first, lengths = log.ratios, log.offsets[:-1], log.lengths
    longest = int(lengths.max())
    penalty = np.diag(features.penalty(settings.ridge))
    coefficients = np.zeros((longest - 1, len(penalty)))
    most = np.zeros(longest - 1)
    rows = first
    weights = np.ones(len(rows))
    for step in range(1, longest):
        # Of the rows of the step before, those that another one follows.
        going = lengths[lengths > step - 1] > step
        carried = (weights * ratios[rows])[going]
        rows = first[lengths > step] + step
        phi = features(log.features[rows])
        coefficients[step - 1] = solve(phi.T @ phi + penalty, phi.T @ carried, assume_a="pos")
        most[step - 1] = carried.max()
        weights = np.clip(phi @ coefficients[step - 1], 0.0, most[step - 1])
    return DensityRatio(features, coefficients, most)


def marginal_weights(log: Log, fitted: CrossFitted[DensityRatio]) -> Floats:
    """w_t(x_t) π(a_t | x_t) / μ(a_t | x_t) of each row by the model of its user's fold, (N,)."""
    weights = np.ones(len(log.levels))
    row_folds = np.repeat(fitted.folds(log), log.lengths)
    steps = log.steps
    for fold, model in enumerate(fitted.models):
        for step in range(1, int(log.lengths.max())):
            rows = np.flatnonzero((steps == step) & (row_folds == fold))
            weights[rows] = model.at_step(log.features[rows], step)
    return weights * log.ratios
