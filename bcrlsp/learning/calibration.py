"""Predicted against observed differences between levels, by decile, on users kept from training.

The budget LP ranks by how much better a level is than none; whether a policy knows that cannot be
seen in its TD error, most of which is noise that all levels share. With logged propensities it can:
among rows of about the same predicted uplift, those that got the level are weighed against those
that got nothing.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bcrlsp.learning.transitions import Transitions
from bcrlsp.policies import Policy
from bcrlsp.policies.chances import intersected

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """One entry a bin of rows, in rising order of predicted uplift.

    predicted: (k,) mean predicted value of the best bonus less that of level 0, active periods.
    observed: (k,) the same from what was logged, weighted by inverse propensities.
    error: (k,) standard error of `observed`. Bins without both kinds of rows are left out.
    """

    predicted: Floats
    observed: Floats
    error: Floats

    @property
    def slope(self) -> float:
        """Observed uplift per predicted one, weighted least squares: 1 is calibrated, 0 is noise.

        NaN with fewer than two bins, or where all predictions are the same.
        """
        if len(self.predicted) < 2:
            return float("nan")
        weight = 1 / np.maximum(self.error, 1e-12) ** 2
        centred = self.predicted - np.average(self.predicted, weights=weight)
        spread = (weight * centred**2).sum()
        return float((weight * centred * self.observed).sum() / spread) if spread else float("nan")

    @property
    def correlation(self) -> float:
        """Of predicted and observed over the bins; NaN where either does not vary."""
        if len(self.predicted) < 2 or not (np.ptp(self.predicted) and np.ptp(self.observed)):
            return float("nan")
        return float(np.corrcoef(self.predicted, self.observed)[0, 1])


def calibrate(
    policy: Policy, transitions: Transitions, rows: NDArray[np.integer], bins: int = 10
) -> Calibration:
    """The calibration over some usable rows (m,) of the transitions, those of known propensity.

    The outcome of a row is its reward and, discounted, the policy's own value of the state that
    followed; net of the price where training was, at half the largest where it drew prices.
    """
    rows = rows[~np.isnan(transitions.propensities[rows])]
    price = policy.largest_price / 2 or policy.manifest.price
    net = _net(policy, transitions, rows, price)
    best = 1 + net[:, 1:].argmax(axis=1) if net.shape[1] > 1 else np.zeros(len(rows), int)
    every = np.arange(len(rows))
    with np.errstate(invalid="ignore"):  # where neither may be sent, there is no difference
        uplift = net[every, best] - net[:, 0]
    outcome = transitions.rewards[rows] - price * transitions.costs[rows].astype(np.float64)
    on = transitions.has_next[rows]
    if policy.gamma and on.any():
        ahead = _net(policy, transitions, rows[on] + 1, price).max(axis=1)
        outcome[on] += policy.gamma * ahead
    weight = 1 / transitions.propensities[rows].astype(np.float64)
    level = transitions.levels[rows]
    found = []
    usable = np.flatnonzero(np.isfinite(uplift))
    for part in np.array_split(usable[np.argsort(uplift[usable], kind="stable")], bins):
        sent, none = part[level[part] == best[part]], part[level[part] == 0]
        if len(sent) > 1 and len(none) > 1:
            one, other = (_mean(outcome[each], weight[each]) for each in (sent, none))
            found.append(
                (uplift[part].mean(), one[0] - other[0], float(np.hypot(one[1], other[1])))
            )
    predicted, observed, error = np.array(found).reshape(-1, 3).T
    return Calibration(predicted, observed, error)


def _net(policy: Policy, held: Transitions, rows: NDArray[np.integer], price: float) -> Floats:
    """(m, a) values less price x cost; -inf where a level may not be sent."""
    states = held.states[rows]
    values, costs = policy.evaluate(states, price)
    may = policy.supported(states)
    if held.allowed is not None:
        may = intersected(may, held.allowed[rows])
    return np.where(may, values - price * costs, -np.inf)


def _mean(outcome: Floats, weight: Floats) -> tuple[float, float]:
    """Self-normalised mean and its standard error (delta method)."""
    mean = np.average(outcome, weights=weight)
    return float(mean), float(np.sqrt((weight**2 * (outcome - mean) ** 2).sum()) / weight.sum())
