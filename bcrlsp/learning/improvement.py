"""What a policy gains over the log by one decision: a measure to choose between policies by.

It rests on logged rewards and propensities alone, not on the values that the policy itself
believes in, so that policies of different discounts and losses compare.
"""

import numpy as np
from numpy.typing import NDArray

from bcrlsp.errors import DataError
from bcrlsp.learning.transitions import Transitions
from bcrlsp.policies import Policy


def improvement(
    policy: Policy,
    transitions: Transitions,
    rows: NDArray[np.integer],
    *,
    gamma: float,
    price: float = 0.0,
) -> tuple[float, float]:
    """Gain and its standard error over usable rows (m,), active periods a decision.

    The mean return to go (reward less price x cost, discounted by gamma, to the end of what is
    known) where the policy's best level is sent now and the log followed afterwards, less the
    log's own; self-normalised inverse propensities. Raises DataError where no propensity is known,
    or the log never sent what the policy would.
    """
    rows = rows[~np.isnan(transitions.propensities[rows])]
    if not len(rows):
        raise DataError(
            "no propensity is known on held-out users, so settings cannot be compared; log the "
            "propensity of each decision, or train with settings chosen by hand"
        )
    allowed = None if transitions.allowed is None else transitions.allowed[rows]
    chosen = policy.probabilities(transitions.states[rows], price=price, allowed=allowed)
    levels = transitions.levels[rows].astype(np.int64)
    weight = chosen[np.arange(len(rows)), levels] / transitions.propensities[rows]
    if not weight.any():
        raise DataError("the log never sent the level that the policy would send; nothing compares")
    gained = returns(transitions, gamma, price)[rows]
    best, usual = np.average(gained, weights=weight), gained.mean()
    spread = weight * (gained - best) / weight.mean() - (gained - usual)
    return float(best - usual), float(spread.std() / np.sqrt(len(rows)))


def returns(transitions: Transitions, gamma: float, price: float) -> NDArray[np.float64]:
    """(n,) discounted sum of reward less price x cost from each row to its user's last usable."""
    net = transitions.rewards - price * transitions.costs.astype(np.float64)
    total = np.where(transitions.usable, net, 0.0)
    lengths = np.diff(transitions.users)
    step = np.arange(len(total)) - np.repeat(transitions.users[:-1], lengths)
    order = np.argsort(step, kind="stable")
    bounds = np.searchsorted(step[order], np.arange(lengths.max(initial=0) + 1))
    # From the last steps back: a step's total is complete before the one before it needs it.
    for start, end in zip(bounds[-2::-1], bounds[:0:-1], strict=True):
        at = order[start:end]
        at = at[transitions.has_next[at]]
        total[at] += gamma * total[at + 1]
    return total
