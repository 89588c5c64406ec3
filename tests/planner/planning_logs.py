"""Small logs and models that several tests of planning share."""

import numpy as np

from bcrlsp.learning.planner.histories import Histories
from bcrlsp.learning.planner.response import PARAMETERS, Response, Structure

AMOUNTS = (0.0, 1.0, 3.0, 5.0)


def response_of(structure: Structure, *classes: dict[str, float]) -> Response:
    """A response with named parameters; the rest at the prior's mean; users begin anywhere."""
    mean, _ = structure.prior()
    parameters = np.tile(mean, (structure.classes, 1))
    for row, given in zip(parameters, classes, strict=True):
        for name, value in given.items():
            row[PARAMETERS.index(name)] = value
    begins = np.zeros(structure.size - parameters.size)
    return Response(structure, np.concatenate([parameters.ravel(), begins]))


def simulate(
    response: Response, users: int, periods: int, seed: int, no_send_probability: float = 0.5
) -> tuple[Histories, np.ndarray]:
    """A log of users who answer as the model says, and their classes, (u,)."""
    structure = response.structure
    rng = np.random.default_rng(seed)
    begin = np.exp(response.log_begin).ravel()
    drawn = rng.choice(len(begin), users, p=begin / begin.sum())
    start, kind = np.divmod(drawn, structure.classes)
    state = structure.start[start]
    levels = rng.integers(1, structure.levels, (users, periods))
    levels = np.where(rng.random((users, periods)) < no_send_probability, 0, levels)
    returned = np.zeros((users, periods), np.int8)
    for t in range(periods):
        chance = response.returns[state, levels[:, t], kind]
        returned[:, t] = rng.random(users) < chance
        state = structure.after[returned[:, t], (levels[:, t] > 0).astype(int), state]
    amounts = np.array(structure.amounts)
    return (
        Histories(
            np.arange(users + 1) * periods,
            levels.ravel().astype(np.int8),
            returned.ravel(),
            (amounts[levels] * returned).ravel().astype(np.float32),
            np.arange(users * periods),
        ),
        kind,
    )
