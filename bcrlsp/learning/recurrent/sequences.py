"""The log as sequences: what happened to each user, period by period, side by side."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from bcrlsp.errors import DataError
from bcrlsp.learning.scales import units_of
from bcrlsp.learning.transitions import Transitions

# Longest piece of a history that is learned from at once; longer ones are cut.
LONGEST = 64
# Share of rows whose reward may differ from the period's activity before they are two things.
_SAME = 0.001
_WAVES = 3
_CYCLES = ("day", "week", "year")


@dataclass(frozen=True, eq=False)
class Sequences:
    """n pieces of users' histories, arrays (n, t), oldest period first, padded at the end.

    user: int64 (n,), number of the user among the transitions' users.
    present: bool, there is a row. rows: int64, its place among the transitions; 0 where there is
    none. levels: int64. told: bool, the outcome is known. outcome: float32, 1 if active in the
    period. rewarded: bool, the reward is known. rewards: float32, in units (`Rules.reward`).
    shares: float32, cost as a share of what the level costs at most. propensities: float32, NaN
    where unknown. calendar: float32 (n, t, c), waves of the period's place in its cycle.
    """

    user: NDArray[np.int64]
    present: NDArray[np.bool_]
    rows: NDArray[np.int64]
    levels: NDArray[np.int64]
    told: NDArray[np.bool_]
    outcome: NDArray[np.float32]
    rewarded: NDArray[np.bool_]
    rewards: NDArray[np.float32]
    shares: NDArray[np.float32]
    propensities: NDArray[np.float32]
    calendar: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.user)

    @property
    def periods(self) -> int:
        """Length of the longest piece (t)."""
        return int(self.present.shape[1])

    def of(self, chosen: NDArray[np.integer]) -> "Sequences":
        """Some pieces, in that order."""
        return Sequences(*(getattr(self, each.name)[chosen] for each in fields(self)))


@dataclass(frozen=True, eq=False)
class Rules:
    """What all sequences of a log share.

    binary: whether a period's reward is the activity in it.
    reward: rewards that one unit of what is learned is; those beyond `reward_limit` count as that.
    unit: money of a bonus per unit of face value, at most; costs beyond `cost_limit` count as that.
    calendar: columns of the states that tell the place in a cycle, (sin, cos) pairs.
    turn: float64 (pairs,), by how much each place moves a period, radians.
    """

    binary: bool
    reward: float
    reward_limit: float
    unit: float
    cost_limit: float
    calendar: tuple[tuple[int, int], ...]
    turn: NDArray[np.float64]

    @property
    def width(self) -> int:
        """Width of `Sequences.calendar` (c)."""
        return 2 * _WAVES * len(self.calendar)

    def waves(self, angles: NDArray[np.float64]) -> NDArray[np.float32]:
        """Angles (..., pairs) as their harmonics, (..., c)."""
        found = [wave(k * angles) for k in range(1, _WAVES + 1) for wave in (np.sin, np.cos)]
        if not self.calendar:
            return np.zeros((*angles.shape[:-1], 0), np.float32)
        return np.concatenate(found, axis=-1).astype(np.float32)

    def angles_of(self, waves: NDArray[np.float32]) -> NDArray[np.float64]:
        """The angles (..., pairs) whose harmonics these are, (..., c)."""
        pairs = len(self.calendar)
        first = waves[..., : 2 * pairs].astype(np.float64)
        return np.arctan2(first[..., :pairs], first[..., pairs:])

    def angles(self, states: NDArray[np.float32]) -> NDArray[np.float64]:
        """The places in the cycles that states (n, d) tell, (n, pairs)."""
        pairs = [np.arctan2(states[:, s], states[:, c]) for s, c in self.calendar]
        return np.stack(pairs, axis=1).astype(np.float64) if pairs else np.zeros((len(states), 0))


def rules_of(
    transitions: Transitions, feature_names: Sequence[str], amounts: Sequence[float]
) -> Rules:
    """The rules of a log. Raises DataError where it has no usable row."""
    usable = transitions.usable
    if not usable.any():
        raise DataError("no row has a known outcome, so nothing can be learned of the response")
    outcome, told = _outcomes(transitions, feature_names)
    both = told & usable
    differ = (outcome[both] != (transitions.rewards[both] > 0)) | ~np.isin(
        transitions.rewards[both], (0.0, 1.0)
    )
    units = units_of(transitions, np.flatnonzero(usable), tuple(amounts))
    face = np.asarray(amounts)[transitions.levels]
    sent = usable & (face > 0)
    paid = np.minimum(transitions.costs[sent], units.cost_limit) / face[sent]
    binary = not len(differ) or float(differ.mean()) <= _SAME
    names = list(feature_names)
    pairs = tuple(
        (names.index(f"{cycle}_sin"), names.index(f"{cycle}_cos"))
        for cycle in _CYCLES
        if {f"{cycle}_sin", f"{cycle}_cos"} <= set(names)
    )
    found = Rules(
        binary=binary,
        reward=1.0 if binary else units.reward,
        reward_limit=units.reward_limit,
        unit=max(1.0, float(paid.max(initial=0.0))),
        cost_limit=units.cost_limit,
        calendar=pairs,
        turn=np.zeros(len(pairs)),
    )
    ahead = np.flatnonzero(transitions.has_next)[:10_000]
    if len(ahead) and pairs:
        moved = found.angles(transitions.states[ahead + 1]) - found.angles(
            transitions.states[ahead]
        )
        turn = np.median(np.mod(moved + np.pi, 2 * np.pi) - np.pi, axis=0)
        found = replace(found, turn=turn)
    return found


def sequences_of(
    transitions: Transitions, rules: Rules, feature_names: Sequence[str], amounts: Sequence[float]
) -> Sequences:
    """All pieces of at most `LONGEST` consecutive rows, each user's newest piece whole."""
    outcome, told = _outcomes(transitions, feature_names)
    limit = np.float32(rules.reward_limit)
    rewards = np.clip(transitions.rewards, -limit, limit) / np.float32(rules.reward)
    costs = np.minimum(transitions.costs, np.float32(rules.cost_limit))
    first, last = _pieces(transitions)
    lengths = last - first
    longest = int(lengths.max())
    place = np.arange(longest)
    present = place < lengths[:, None]
    rows = np.where(present, first[:, None] + place, 0)
    face = np.asarray(amounts, np.float32)[transitions.levels] * np.float32(rules.unit)
    shares = np.divide(costs, face, out=np.zeros(len(face), np.float32), where=face > 0).clip(
        0.0, 1.0
    )
    calendar = rules.waves(rules.angles(transitions.states))
    owner = np.repeat(np.arange(len(transitions.users) - 1), np.diff(transitions.users))
    return Sequences(
        user=owner[first].astype(np.int64),
        present=present,
        rows=rows,
        levels=np.where(present, transitions.levels[rows], 0).astype(np.int64),
        told=present & told[rows],
        outcome=np.where(present, outcome[rows], 0).astype(np.float32),
        rewarded=present & transitions.usable[rows],
        rewards=np.where(present, rewards[rows], 0).astype(np.float32),
        shares=np.where(present, shares[rows], 0).astype(np.float32),
        propensities=transitions.propensities[rows],
        calendar=calendar[rows],
    )


def _outcomes(
    transitions: Transitions, feature_names: Sequence[str]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether the user was active in each row's own period, and whether that is known.

    The next row's features tell it; where nothing follows, a reward that is known stands for it.
    """
    outcome = transitions.rewards > 0
    told = transitions.usable.copy()
    if "active_1" in feature_names:
        ahead = np.flatnonzero(transitions.has_next)
        outcome[ahead] = transitions.states[ahead + 1, list(feature_names).index("active_1")] > 0
    return outcome, told


def _pieces(transitions: Transitions) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First rows and ends of the pieces: a piece has no gap, and at most `LONGEST` rows."""
    ends = np.flatnonzero(~transitions.has_next) + 1
    starts = np.concatenate([[0], ends[:-1]])
    counts = -(-(ends - starts) // LONGEST)
    back = np.concatenate([np.arange(count) for count in counts]) if len(counts) else counts
    last = np.repeat(ends, counts) - back * LONGEST
    first = np.maximum(last - LONGEST, np.repeat(starts, counts))
    return first.astype(np.int64), last.astype(np.int64)
