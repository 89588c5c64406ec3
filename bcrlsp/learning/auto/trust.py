"""Which models describe users that they have not seen well enough to judge by."""

from dataclasses import dataclass

import numpy as np

from bcrlsp.learning.auto.judge import Logged
from bcrlsp.learning.auto.worlds import StructuredWorld, World, families
from bcrlsp.learning.planner.histories import Histories
from bcrlsp.learning.planner.likelihood import user_log_likelihoods
from bcrlsp.learning.recurrent.learner import Learned

# Standard errors by which a family's likelihood may be below the best one's.
_ERRORS = 2.0


@dataclass(frozen=True)
class Trust:
    """families: kinds of worlds that have a say. metrics: what that rests on."""

    families: tuple[str, ...]
    metrics: dict[str, float]


def trusted(worlds: list[World], learned: Learned) -> Trust:
    """The families whose held-out likelihood is not clearly below the best one's."""
    own = learned.nats
    metrics = {"recurrent_log_likelihood": float(own.mean())}
    structured = [world for world in worlds if isinstance(world, StructuredWorld)]
    if not structured:
        return Trust(tuple(families(worlds)), metrics)
    histories = _histories(learned)
    other = user_log_likelihoods(structured[0].response, histories)
    apart = other - np.add.reduceat(own, histories.offsets[:-1])
    lengths = np.diff(histories.offsets)
    mean = float(apart.sum()) / len(own)
    error = float((apart - mean * lengths).std()) * np.sqrt(len(apart)) / len(own)
    metrics |= {"structure_over_recurrent": mean, "structure_over_recurrent_error": float(error)}
    left = [
        family
        for family in families(worlds)
        if not (
            (family == "structured" and mean < -_ERRORS * error)
            or (family == "recurrent" and mean > _ERRORS * error)
        )
    ]
    metrics |= {f"trusted_{family}": float(family in left) for family in families(worlds)}
    return Trust(tuple(left), metrics)


def _histories(learned: Learned) -> Histories:
    """The pieces with a known outcome as histories."""
    rows = learned.rows
    starts = np.flatnonzero(np.diff(rows.piece, prepend=-1))
    return Histories(
        np.append(starts, len(rows)).astype(np.int64),
        rows.levels,
        (rows.outcome > 0).astype(np.int8),
        np.zeros(len(rows), np.float32),
        rows.row,
    )


def logged_of(learned: Learned, most: int, seed: int) -> Logged:
    """Rows of the log with what the members that have not seen their users expect of them."""
    rows, rng = learned.rows, np.random.default_rng([seed, 13])
    parts = []
    for places, made in zip(learned.out, learned.made, strict=True):
        share = min(1.0, most / max(len(rows), 1))
        users = np.unique(rows.piece[places])
        few = users[rng.random(len(users)) < share]
        mine = places[np.isin(rows.piece[places], few) & rows.rewarded[places]]
        outlook = made.valued.member.outlook(
            rows.states[rows.place[mine]], rows.calendar[rows.place[mine]]
        )
        expected = outlook.rewards[np.arange(len(mine)), rows.levels[mine]]
        parts.append((mine, expected.astype(np.float64)))
    mine = np.concatenate([part[0] for part in parts])
    return Logged(
        rows=rows.row[mine],
        expected=np.concatenate([part[1] for part in parts]),
        actual=rows.rewards[mine].astype(np.float64),
        levels=rows.levels[mine].astype(np.int64),
        propensities=rows.propensities[mine].astype(np.float64),
        users=learned.held.user[rows.piece[mine]],
    )
