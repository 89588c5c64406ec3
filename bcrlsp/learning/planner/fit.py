"""Fits a response model to histories: penalised maximum likelihood.

The gradient of the log-likelihood is that of the expected complete one at the same parameters
(Fisher's identity; Louis, JRSS B 44, 1982), so one E-step gives both, and L-BFGS does in tens of
passes what plain EM does in hundreds.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from bcrlsp.learning.planner.histories import Histories
from bcrlsp.learning.planner.likelihood import expected
from bcrlsp.learning.planner.response import PARAMETERS, Floats, Response, Structure

# Users whom each (start, class) is taken to have from the outset: none is ever ruled out.
_BEGIN = 1.0
_STEP = 1e-30
# Spread of the first guesses around the prior's mean, by parameter.
_JITTER = np.array([0.3, 0.5, 0.1, 0.5, 0.4, 0.4, 0.1])


@dataclass(frozen=True, eq=False)
class Fit:
    """response: the fitted model. objective: mean penalised log-likelihood a user, at its best.

    passes: E-steps taken. converged: whether the optimiser says so, before its limit of passes.
    """

    response: Response
    objective: float
    passes: int
    converged: bool


def objective(structure: Structure, vector: Floats, histories: Histories) -> tuple[float, Floats]:
    """Penalised log-likelihood of all users and its gradient, array (structure.size,)."""
    response = Response(structure, vector)
    found = expected(response, histories)
    parameters, _ = structure.split(vector)
    slopes = chance_slopes(structure, parameters)
    chance = response.returns
    weight = found.counts[:, :, 1] / chance - found.counts[:, :, 0] / (1 - chance)  # (s, a, k)
    mean, spread = structure.prior()
    away = (parameters - mean) / spread
    begin = np.exp(response.log_begin)
    mass = histories.users + _BEGIN * begin.size
    value = (
        found.log_likelihood
        - 0.5 * float((away**2).sum())
        + _BEGIN * float(response.log_begin.sum())
    )
    gradient = np.concatenate(
        [
            (np.einsum("sak,sakp->kp", weight, slopes) - away / spread).ravel(),
            (found.begins + _BEGIN - mass * begin).ravel(),
        ]
    )
    return value, gradient


def chance_slopes(structure: Structure, parameters: Floats) -> Floats:
    """dP(return) / d(parameter of the same class), array (s, a, k, p), exact (complex step)."""
    slopes = []
    for p in range(len(PARAMETERS)):
        nudged = parameters.astype(np.complex128)
        nudged[:, p] += _STEP * 1j
        slopes.append(structure.probability(nudged).imag / _STEP)
    return np.stack(slopes, axis=-1)


def climb(structure: Structure, start: Floats, histories: Histories, most: int) -> Fit:
    """The nearest optimum, by L-BFGS, in at most `most` iterations."""

    def loss(vector: Floats) -> tuple[float, Floats]:
        value, gradient = objective(structure, vector, histories)
        return -value / histories.users, -gradient / histories.users

    found = minimize(
        loss,
        start,
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": most, "maxcor": 30, "ftol": 1e-9, "gtol": 1e-6},
    )
    response = Response(structure, np.asarray(found.x))
    return Fit(response, -float(found.fun), int(found.nfev), bool(found.success))


def guess(structure: Structure, histories: Histories, rng: np.random.Generator) -> Floats:
    """A first guess: classes by how often users return, the rest near the prior's mean."""
    rate = np.add.reduceat(histories.returned.astype(np.float64), histories.offsets[:-1])
    rate /= np.diff(histories.offsets)
    place = np.quantile(rate, (np.arange(structure.classes) + 0.5) / structure.classes)
    mean, _ = structure.prior()
    parameters = mean + _JITTER * rng.standard_normal((structure.classes, len(PARAMETERS)))
    # Habit will explain some of the returns: the base starts half a unit below the users' own.
    parameters[:, 0] += np.log((place + 0.02) / (1.02 - place)) - 0.5 - mean[0]
    return np.concatenate([parameters.ravel(), np.zeros(structure.size - parameters.size)])


def carried(response: Response, structure: Structure) -> Floats:
    """The parameters of one structure as a first guess for another, close to it.

    Parameters keep their meaning when a counter changes; where users begin is spread anew. A class
    more: the largest is split in two. A class fewer: the smallest is dropped. Another link: its
    lift begins at the prior's mean.
    """
    parameters, _ = response.structure.split(response.vector)
    order = np.argsort(-response.shares)
    parameters, shares = parameters[order], response.shares[order]
    if structure.classes > len(shares):
        halves = parameters[:1] + np.array([[-1.0], [1.0]]) * _JITTER
        parameters = np.concatenate([halves, parameters[1:]])
        shares = np.concatenate([[shares[0] / 2, shares[0] / 2], shares[1:]])
    parameters, shares = parameters[: structure.classes].copy(), shares[: structure.classes]
    if structure.link != response.structure.link:
        lift = PARAMETERS.index("lift")
        parameters[:, lift] = structure.prior()[0][lift]
    weights = np.tile(np.log(shares), (len(structure.start), 1))
    return np.concatenate([parameters.ravel(), weights.ravel()])


def fit(
    structure: Structure,
    histories: Histories,
    *,
    seed: int,
    starts: int = 3,
    subset: int = 4_000,
    most: int = 200,
) -> Fit:
    """The best of several first guesses tried on a few users, then fitted to all.

    histories: users in random order. starts: first guesses; more find the optimum more surely.
    subset: users that they are tried on. most: iterations of the last fit.
    """
    few = histories.of_users(np.arange(min(subset, histories.users)))
    tried = [
        climb(structure, guess(structure, few, np.random.default_rng([seed, i])), few, most // 3)
        for i in range(starts)
    ]
    best = max(tried, key=lambda found: found.objective)
    return climb(structure, best.response.vector, histories, most)
