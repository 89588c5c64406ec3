"""Rules that look at nobody, as policies like any other: values and costs by level alone."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bcrlsp.learning.task import Task
from bcrlsp.policies import HeadSpec, Manifest, Network, NetworkSpec, Policy, weights_digest
from bcrlsp.policies.manifest import COST, VALUE

Floats = NDArray[np.float64]

# Levels that a mix does not use are worth less than all it uses by so many times their worth.
_WORSE = 4.0


def constant_policy(task: Task, name: str, values: Floats, costs: Floats) -> Policy:
    """A policy whose values and costs, (a,) each, are the same for every user."""
    width = len(task.feature_names)
    spec = NetworkSpec(
        inputs=width,
        hidden=(),
        heads=(
            HeadSpec(name=VALUE, amounts=task.amounts),
            HeadSpec(name=COST, amounts=task.amounts),
        ),
    )
    bias = np.concatenate([values, costs]).astype(np.float32)
    weights = {
        "mean": np.zeros(width, np.float32),
        "std": np.ones(width, np.float32),
        "layers.0.weight": np.zeros((len(bias), width), np.float32),
        "layers.0.bias": bias,
    }
    manifest = Manifest(
        policy_id=f"{name}-{weights_digest(weights)[:12]}",
        algorithm=name,
        amounts=task.amounts,
        feature_names=task.feature_names,
        feature_set=task.feature_set,
        gamma=0.0,
        network=spec,
    )
    return Policy(manifest, Network(spec, weights))


def nothing_values(costs: Floats) -> Floats:
    """Values (a,) by which the budget program sends nothing: each bonus is worth less than none."""
    worth = -1e-3 * np.maximum(costs, 1e-6) / max(float(costs.max()), 1e-6)
    return np.where(np.arange(len(costs)) == 0, 0.0, np.minimum(worth, -1e-6))


def mix_values(costs: Floats, low: int, high: int, gain: float) -> Floats:
    """Values (a,) by which the budget program mixes `low` and `high` as the budget allows.

    costs: (a,), money. gain: what a unit of money is worth, above 0. With less money than `low` for
    everybody takes, some get nothing; other levels are never worth their cost.
    """
    if low == high:
        raise ValueError("a mix needs two levels")
    values = np.full(len(costs), -_WORSE * gain * max(float(costs.max()), 1e-6))
    values[low], values[high] = gain * costs[low], gain * costs[high]
    if low:
        # Nothing lies so far below that the step from it to `low` is the best bargain of all.
        values[0] = values[low] - 2 * gain * max(costs[low], 1e-6)
    return values


def pairs(costs: Floats, budget: float) -> list[tuple[int, int]]:
    """Pairs of levels whose mix uses up the budget, money a user; with more than the dearest level
    takes, that level and nothing. costs: (a,)."""
    levels = range(len(costs))
    found = [
        (low, high)
        for low in levels
        for high in levels
        if low < high and costs[low] <= budget < costs[high]
    ]
    return found or [(0, high) for high in levels if high]


def mean_costs(
    levels: NDArray[np.integer], costs: NDArray[np.floating], amounts: Sequence[float]
) -> Floats:
    """Mean money that a bonus of each level cost, (a,); never falling in the face value.

    A level that was never sent costs the share of its face value that all bonuses cost.
    """
    faces = np.asarray(amounts, float)
    sent = np.bincount(levels, minlength=len(faces)).astype(np.float64)
    paid = np.bincount(levels, weights=costs, minlength=len(faces))
    share = paid[1:].sum() / max(float((sent[1:] * faces[1:]).sum()), 1e-12)
    found = np.where(sent > 0, paid / np.maximum(sent, 1), share * faces)
    found[0] = 0.0
    for one, other in pairwise(range(len(found))):
        found[other] = max(found[other], found[one])
    return np.asarray(found)
