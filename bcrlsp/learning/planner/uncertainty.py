"""How sure the fitted response is: draws from its approximate posterior.

The information is the sum over users of the outer products of their scores (Berndt, Hall, Hall and
Hausman 1974), the posterior its normal approximation at the optimum.
"""

import numba
import numpy as np

from bcrlsp.compiled import compiled
from bcrlsp.learning.planner.fit import chance_slopes
from bcrlsp.learning.planner.histories import Histories
from bcrlsp.learning.planner.response import PARAMETERS, Floats, Response

_PARTS = 16
# Where users begin has weights that are known up to a constant only; this makes them determinate.
_RIDGE = 1e-3


def covariance(response: Response, histories: Histories, users: int) -> Floats:
    """Covariance of the classes' parameters, array (k p, k p), of a fit to `users` users.

    histories: those of the fit, or some of them, for the information a user carries.
    """
    structure = response.structure
    parameters, _ = structure.split(response.vector)
    slopes = chance_slopes(structure, parameters)
    chance = response.returns[..., None]
    # d log P / d parameter, by outcome: array (s, a, 2, k, p).
    rises = np.ascontiguousarray(np.stack([-slopes / (1 - chance), slopes / chance], axis=2))
    information = _information(
        histories.offsets, histories.levels, histories.returned, structure.after,
        structure.start, response.log_chances, response.log_begin, rises,
    ).sum(axis=0)  # fmt: skip
    information *= users / histories.users
    _, spread = structure.prior()
    fitted = structure.classes * len(PARAMETERS)
    information[np.diag_indices(fitted)] += np.tile(spread**-2.0, structure.classes)
    rest = np.arange(fitted, len(information))
    information[rest, rest] += _RIDGE
    return np.asarray(np.linalg.inv(information)[:fitted, :fitted])


def draws(response: Response, spread: Floats, count: int, seed: int) -> list[Response]:
    """Responses drawn around the fitted one, in pairs on either side of it.

    spread: array (k p, k p), the covariance. count: even.
    """
    fitted = len(spread)
    values, vectors = np.linalg.eigh((spread + spread.T) / 2)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    luck = np.random.default_rng(seed).standard_normal((count // 2, fitted))
    found = []
    for steps in np.concatenate([luck, -luck]) @ root.T:
        vector = response.vector.copy()
        vector[:fitted] += steps
        found.append(Response(response.structure, vector))
    return found


@compiled(parallel=True)
def _information(  # type: ignore[no-untyped-def]
    offsets, levels, returned, after, start, log_chances, log_begin, rises
):
    users = len(offsets) - 1
    starts, classes = log_begin.shape
    each = rises.shape[4]
    fitted = classes * each
    size = fitted + starts * classes
    found = np.zeros((_PARTS, size, size))
    begin = np.exp(log_begin)
    for part in numba.prange(_PARTS):
        weights = np.empty((starts, classes))
        sums = np.empty((starts, classes, each))
        score = np.empty(size)
        for user in range(users * part // _PARTS, users * (part + 1) // _PARTS):
            sums[:] = 0.0
            for h in range(starts):
                state = start[h]
                for k in range(classes):
                    weights[h, k] = log_begin[h, k]
                for row in range(offsets[user], offsets[user + 1]):
                    level, back = levels[row], returned[row]
                    for k in range(classes):
                        weights[h, k] += log_chances[state, level, back, k]
                        for p in range(each):
                            sums[h, k, p] += rises[state, level, back, k, p]
                    state = after[back, 1 if level > 0 else 0, state]
            weights[:] = np.exp(weights - weights.max())
            weights /= weights.sum()
            score[:] = 0.0
            for h in range(starts):
                for k in range(classes):
                    for p in range(each):
                        score[k * each + p] += weights[h, k] * sums[h, k, p]
                    score[fitted + h * classes + k] = weights[h, k] - begin[h, k]
            for i in range(size):
                for j in range(size):
                    found[part, i, j] += score[i] * score[j]
    return found
