"""The log that policies learn from, without Spark: the same users and the same states.

The users are those of the event tables of a simulated market, block by block, and their states come
from the same fold of the same feature set as trajectories on Spark; a return counts as one event.
"""

import numpy as np

from bcrlsp.decisions.margin import SpendRecord
from bcrlsp.experiments.scenario import seen
from bcrlsp.features import FeatureSet
from bcrlsp.learning.transitions import Transitions
from bcrlsp.market.simulation import BLOCK, Simulation
from bcrlsp.policies import Policy


def log_transitions(simulation: Simulation, feature_set: FeatureSet, most: int) -> Transitions:
    """All rows of a simulated log, or those of its first users: their order carries no meaning.

    most: users whose rows are made. States are held once: 4 bytes a feature, user and period.
    """
    users = min(simulation.users, most)
    upper = users * simulation.periods
    states = np.empty((upper, feature_set.width), np.float32)
    levels = np.empty(upper, np.int8)
    rewards, costs, propensities = (np.empty(upper, np.float32) for _ in range(3))
    last = np.zeros(upper, bool)
    offsets = [0]
    for number in range(-(-users // BLOCK)):
        block = simulation.block(number)
        kept = slice(0, min(BLOCK, users - number * BLOCK))
        present, history = block.present[:, kept], block.history
        records = seen(history.levels[:, kept], history.returned[:, kept], present)
        periods, n = present.shape
        carries = feature_set.fold(feature_set.init(n), records)[:, :-1]
        # One user after another, each from the period of sign-up on.
        rows = np.flatnonzero(present.T.ravel())
        place, period = rows // periods, rows % periods
        here = slice(offsets[-1], offsets[-1] + len(rows))
        states[here] = feature_set.features(carries[:, period, place], period)
        levels[here] = history.levels[period, place]
        rewards[here] = history.returned[period, place]
        costs[here] = history.cost[period, place]
        propensities[here] = block.propensity[period, place]
        ends = offsets[-1] + np.cumsum(present.sum(axis=0))
        last[ends - 1] = True
        offsets += ends.tolist()
    size = offsets[-1]
    return Transitions(
        states=states[:size],
        levels=levels[:size],
        rewards=rewards[:size],
        costs=costs[:size],
        propensities=propensities[:size],
        terminal=np.zeros(size, bool),
        has_next=~last[:size],
        users=np.asarray(offsets, np.int64),
        feature_set=feature_set.hash,
    )


def last_periods(log: Transitions, policy: Policy, periods: int = 14) -> SpendRecord:
    """What the policy expects of the decisions of a log's last periods, and what these cost.

    log: all of its users are there in its last period.
    """
    sums = np.zeros((3, periods))
    for back in range(periods):
        rows = log.users[1:] - 1 - back
        rows = rows[rows >= log.users[:-1]]
        expected = policy.costs(log.states[rows])[np.arange(len(rows)), log.levels[rows]]
        spent = log.costs[rows].astype(np.float64)
        sums[:, back] = expected.sum(), spent.sum(), ((spent - expected) ** 2).sum()
    return SpendRecord.of(*sums)
