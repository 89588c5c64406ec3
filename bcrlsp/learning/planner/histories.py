"""What the log tells of each user, period by period: the level sent, the return, the cost."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bcrlsp.errors import DataError
from bcrlsp.learning.transitions import Transitions

# Features that repeat what a user's previous row says; a share of rows may differ (lost steps).
_SAME, _TOLERANCE = {"active_1": "rewards", "sent_1": "levels"}, 0.001


@dataclass(frozen=True, eq=False)
class Histories:
    """u users with n rows in all, one user after another, oldest period first.

    offsets: int64 (u + 1,), user i has the rows offsets[i] to offsets[i + 1].
    levels: int8 (n,). returned: int8 (n,), 0 or 1. costs: float32 (n,), money.
    rows: int64 (n,), the row of the transitions that each comes from.
    """

    offsets: NDArray[np.int64]
    levels: NDArray[np.int8]
    returned: NDArray[np.int8]
    costs: NDArray[np.float32]
    rows: NDArray[np.int64]

    @property
    def users(self) -> int:
        """Number of users (u)."""
        return len(self.offsets) - 1

    def of_users(self, chosen: NDArray[np.integer]) -> "Histories":
        """Some users, in that order."""
        lengths = np.diff(self.offsets)[chosen]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        inside = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
        picked = np.repeat(self.offsets[chosen], lengths) + inside
        return Histories(
            offsets,
            self.levels[picked],
            self.returned[picked],
            self.costs[picked],
            self.rows[picked],
        )


@dataclass(frozen=True, eq=False)
class Panel:
    """The last periods of n users side by side, arrays (t, n), every user's newest row last.

    present: bool, the user has a row there; else the rest is 0. rows: see `Histories`.
    """

    present: NDArray[np.bool_]
    levels: NDArray[np.int64]
    returned: NDArray[np.bool_]
    rows: NDArray[np.int64]


def panel(histories: Histories, periods: int) -> Panel:
    """The last `periods` rows of each user."""
    place = histories.offsets[1:] - np.arange(periods, 0, -1)[:, None]
    present = place >= histories.offsets[:-1]
    place = np.where(present, place, 0)
    return Panel(
        present,
        np.where(present, histories.levels[place], 0).astype(np.int64),
        present & (histories.returned[place] > 0),
        histories.rows[place],
    )


def histories_of(
    transitions: Transitions, feature_names: Sequence[str], cost_limit: float = np.inf
) -> Histories:
    """The histories of all users that have a usable row; a cost beyond the limit counts as that.

    A row is used when its outcome is known, as everywhere in training (`Transitions.usable`).
    Raises DataError where rewards are not 0 or 1, or are not the activity of the row's own period:
    the model's user is active in the period or not, and what it did is known at the next decision.
    """
    rewards = transitions.rewards
    rows = np.flatnonzero(transitions.usable)
    odd = ~np.isin(rewards[rows], (0.0, 1.0))
    if odd.any():
        raise DataError(
            f"a reward is {rewards[rows][odd][0]:g}; the planner learns from rewards of 0 or 1 "
            "(trajectories.reward.kind: active); train with another algorithm, such as cql"
        )
    _check_timing(transitions, feature_names)
    user = np.repeat(np.arange(len(transitions.users) - 1), np.diff(transitions.users))
    lengths = np.bincount(user[rows], minlength=len(transitions.users) - 1)
    return Histories(
        np.concatenate([[0], np.cumsum(lengths[lengths > 0])]).astype(np.int64),
        transitions.levels[rows],
        rewards[rows].astype(np.int8),
        np.minimum(transitions.costs[rows], np.float32(cost_limit)),
        rows,
    )


def _check_timing(transitions: Transitions, feature_names: Sequence[str]) -> None:
    ahead = np.flatnonzero(transitions.has_next)
    for name, told in _SAME.items():
        if name not in feature_names:
            raise DataError(
                f"the feature {name} is missing; the planner needs the default feature set"
            )
        said = transitions.states[ahead + 1, list(feature_names).index(name)] > 0
        differ = (
            float((said != (getattr(transitions, told)[ahead] > 0)).mean()) if len(ahead) else 0
        )
        if differ > _TOLERANCE:
            raise DataError(
                f"the next row's feature {name} differs from the row's {told} in {differ:.1%} of "
                "rows; the planner needs the reward of a period to be the activity in it "
                "(trajectories.reward.after: 0); train with another algorithm, such as cql"
            )
