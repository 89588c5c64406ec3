"""What a bonus costs, given whether its user came back."""

import numpy as np

from bcrlsp.learning.planner.histories import Histories
from bcrlsp.learning.planner.likelihood import posterior
from bcrlsp.learning.planner.response import Floats, Response

# Bonuses that the coarser estimate counts for: of a class its level's mean, of a level its share
# of the face value.
_PRIOR = 50.0


def spending_of(response: Response, histories: Histories) -> Floats:
    """Mean cost of a level by absence (0) or return (1), level and class: array (2, a, k), money.

    A class that rarely got a level is drawn to that level's mean, a level that was rarely sent to
    the mean share of the face value that all levels cost. Level 0 costs nothing.
    """
    amounts = np.array(response.structure.amounts)
    kinds = posterior(response, histories)[0].sum(axis=1)  # (u, k)
    sent, paid = _sums(histories, kinds, len(amounts))
    shared = paid.sum(axis=(1, 2)) / np.maximum((sent * amounts[:, None]).sum(axis=(1, 2)), 1e-12)
    coarse = shared[:, None] * amounts  # (2, a)
    level = (paid.sum(axis=2) + _PRIOR * coarse) / (sent.sum(axis=2) + _PRIOR)
    found = (paid + _PRIOR * level[:, :, None]) / (sent + _PRIOR)
    found[:, 0] = 0.0
    return np.asarray(found)


def _sums(histories: Histories, kinds: Floats, levels: int) -> tuple[Floats, Floats]:
    """Bonuses and money by absence or return, level and class: arrays (2, a, k)."""
    users = np.repeat(np.arange(histories.users), np.diff(histories.offsets))
    cells = histories.returned.astype(np.int64) * levels + histories.levels
    classes = kinds.shape[1]
    sent, paid = np.zeros((2 * levels, classes)), np.zeros((2 * levels, classes))
    for k in range(classes):
        weight = kinds[users, k]
        sent[:, k] = np.bincount(cells, weights=weight, minlength=2 * levels)
        paid[:, k] = np.bincount(cells, weights=weight * histories.costs, minlength=2 * levels)
    return sent.reshape(2, levels, classes), paid.reshape(2, levels, classes)
