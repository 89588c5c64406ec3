"""The planner on a problem of benchmarks/problems.py: it sees histories, not states.

Its features are those of events, folded from what users did and got. So it can only be measured
where a state follows from the history, and by playing it: the return is the expected reward of each
state and level met, from users with a history under the logging policy, in percent of the optimum's
from the same states.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from problems import Array, Problem, draw

PROBLEMS = ("market",)
_PLAYERS, _PERIODS = 4_000, 100


def percent(problem: Problem, logging: Array, logged: dict[str, Array], seed: int) -> float:
    """Trains on a log of whole trajectories and plays. logging: (s, a), policy of the log."""
    from bcrlsp.features import default_feature_set, record_of
    from bcrlsp.learning import Settings
    from bcrlsp.learning.training import train
    from bcrlsp.learning.transitions import Transitions
    from bcrlsp.periods import Calendar

    amounts = tuple(problem.amounts.tolist())
    calendar = Calendar(datetime(2025, 3, 3, tzinfo=UTC), timedelta(days=1))
    features = default_feature_set(amounts, calendar)
    starts = np.flatnonzero(logged["step"] == 0)
    users, steps = len(starts), len(logged["step"]) // len(starts)
    levels = logged["level"].reshape(users, steps).astype(np.int64)
    returned = logged["reward"].reshape(users, steps) > 0
    carry, states = features.init(users), np.empty((users, steps, features.width), np.float32)
    for t in range(steps):
        states[:, t] = features.features(carry, t)
        carry = features.update(carry, record_of(levels[:, t], returned[:, t]))
    rows = users * steps
    transitions = Transitions(
        states=states.reshape(rows, -1),
        levels=logged["level"].astype(np.int8),
        rewards=logged["reward"].astype(np.float32),
        costs=logged["cost"].astype(np.float32),
        propensities=logged["propensity"].astype(np.float32),
        terminal=np.zeros(rows, bool),
        has_next=logged["step"] < steps - 1,
        users=np.arange(0, rows + 1, steps),
    )
    options: dict[str, Any] = {"gamma": problem.gamma, "price": problem.price}
    policy = train(
        transitions,
        Settings(algorithm="planner", options=options, hidden=(64, 64), threads=1),
        feature_names=features.names, feature_set=features.hash, amounts=amounts, seed=seed,
    ).policy  # fmt: skip

    rng = np.random.default_rng([seed, 13])
    best = problem.values().max(axis=1)
    state, carry = rng.integers(len(best), size=_PLAYERS), features.init(_PLAYERS)
    reached = possible = 0.0
    for t in range(steps + _PERIODS):
        if t < steps:
            level = draw(logging[state], rng)
        else:
            possible += float(best[state].mean()) * (t == steps)
            known = features.features(carry, t)
            level = policy.probabilities(known, price=problem.price).argmax(axis=1)
            discount = problem.gamma ** (t - steps)
            reached += discount * float(problem.reward[state, level].mean())
        back = rng.random(_PLAYERS) < problem.returns[state, level]
        carry = features.update(carry, record_of(level, back))
        state = draw(problem.move[state, level, back.astype(np.int64)], rng)
    return 100 * reached / possible
