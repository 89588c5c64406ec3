"""Transitions in memory: each state held once, where the next state is the next row.

Rows are sorted by user and step; what is given is taken to be so, and only what contradicts it is
refused (offsets that fall, a next row of another user). A row is used in training when something is
known to follow it (the next row is the user's next step) or when nothing follows (terminal); a
user's last row that is neither is truncated: its state is the next state of the row before, and it
is not used itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace

import numpy as np
from numpy.typing import NDArray

from bcrlsp.arrays import (
    as_amounts,
    as_flags,
    as_levels,
    as_propensities,
    as_states,
    whole,
)
from bcrlsp.errors import DataError

# Rows that are checked at a time: of all of them, what is finite would be a quarter of the states.
_CHECKED = 65_536


@dataclass(frozen=True)
class Transitions:
    """Contiguous arrays, one entry a row; n rows, d features, a levels, u users.

    states: (n, d) float32, what was known before the decision.
    levels: (n,) int8, the bonus level sent.
    rewards: (n,) float32. costs: (n,) float32, money, of the bonus sent.
    propensities: (n,) float32, probability of the level under the logging policy; NaN: unknown.
    terminal: (n,) bool, nothing follows. has_next: (n,) bool, row i + 1 is the next step of row i.
    users: (u + 1,) int64, user k has the rows users[k] to users[k + 1].
    allowed: (n, a) bool, levels that the user may get, or None: all.
    feature_set: hash of the features' declaration; "" where it is not known.

    Other numeric types are taken where they hold the same values: levels of 2.0, masks of 0 and 1.
    DataError, one line, for anything else: a level of 1.7, a reward or cost that is not finite or a
    cost below 0, a propensity outside (0, 1], rows that do not agree with `users`.
    """

    states: NDArray[np.float32]
    levels: NDArray[np.int8]
    rewards: NDArray[np.float32]
    costs: NDArray[np.float32]
    propensities: NDArray[np.float32]
    terminal: NDArray[np.bool_]
    has_next: NDArray[np.bool_]
    users: NDArray[np.int64]
    allowed: NDArray[np.bool_] | None = None
    feature_set: str = field(default="")

    def __post_init__(self) -> None:
        allowed = None if self.allowed is None else as_flags(self.allowed, "allowed")
        typed = {
            "states": as_states(self.states),
            "levels": as_levels(self.levels),
            "rewards": as_amounts(self.rewards, "reward"),
            "costs": as_amounts(self.costs, "cost", low=0.0),
            "propensities": as_propensities(self.propensities),
            "terminal": as_flags(self.terminal, "terminal"),
            "has_next": as_flags(self.has_next, "has_next"),
            "users": whole(self.users, "users").astype(np.int64, copy=False),
            "allowed": allowed,
        }
        for name, array in typed.items():
            object.__setattr__(self, name, array)
        self._check_shapes()
        self._check_rows()

    def _check_shapes(self) -> None:
        arrays = {
            each.name: getattr(self, each.name)
            for each in fields(self)
            if each.name != "feature_set" and getattr(self, each.name) is not None
        }
        if self.states.ndim != 2:
            raise DataError(f"states of shape {self.states.shape}; allowed: (n, d)")
        for name, array in arrays.items():
            if array.ndim != (2 if name in ("states", "allowed") else 1):
                told = "(n, a)" if name == "allowed" else "one entry a row"
                raise DataError(f"{name} of shape {array.shape}; allowed: {told}")
        sizes = {name: len(array) for name, array in arrays.items() if name != "users"}
        if len(set(sizes.values())) > 1:
            raise DataError(f"transitions of different lengths: {sizes}; give one entry a row")

    def _check_rows(self) -> None:
        """That users, next rows and masks do not contradict each other."""
        users, rows = self.users, len(self)
        if len(users) < 1 or users[0] != 0 or users[-1] != rows or (np.diff(users) < 0).any():
            raise DataError(
                f"users are not offsets of {rows} rows; allowed: from 0 to {rows}, never falling: "
                "user k has the rows users[k] to users[k + 1]"
            )
        both = self.has_next & self.terminal
        if both.any():
            raise DataError(
                f"row {int(both.argmax())} is terminal and has a next step; allowed: one of them"
            )
        last = users[1:][np.diff(users) > 0] - 1
        beyond = self.has_next[last]
        if beyond.any():
            raise DataError(
                f"row {int(last[beyond.argmax()])} is its user's last and has a next step; sort "
                "rows by user and step, and let has_next be false there"
            )
        if self.allowed is not None and not self.allowed.any(axis=1).all():
            row = int((~self.allowed.any(axis=1)).argmax())
            raise DataError(f"row {row} allows no level; allow at least level 0")

    def __len__(self) -> int:
        return len(self.levels)

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays in memory."""
        held = (getattr(self, each.name) for each in fields(self) if each.name != "feature_set")
        return sum(
            array.nbytes for array in held if array is not None and not isinstance(array, np.memmap)
        )

    @property
    def usable(self) -> NDArray[np.bool_]:
        """(n,) bool: rows that training uses, all but the truncated ones."""
        return self.has_next | self.terminal

    def of_users(self, chosen: NDArray[np.bool_]) -> "Transitions":
        """The rows of some users, copied; chosen: (u,) bool."""
        lengths = np.diff(self.users)
        rows = np.repeat(chosen, lengths)
        offsets = np.concatenate([[0], np.cumsum(lengths[chosen])]).astype(np.int64)
        arrays = {
            each.name: getattr(self, each.name)[rows]
            for each in fields(self)
            if each.name not in ("users", "allowed", "feature_set")
        }
        allowed = None if self.allowed is None else self.allowed[rows]
        return replace(self, **arrays, users=offsets, allowed=allowed)

    def check(self, levels: int, feature_names: Sequence[str]) -> None:
        """DataError unless every level is below `levels` and the states fit `feature_names`."""
        if self.states.shape[1] != len(feature_names):
            raise DataError(
                f"states have {self.states.shape[1]} features for {len(feature_names)} names; "
                "rebuild the trajectories with this feature set"
            )
        if len(self) and self.levels.max() >= levels:
            raise DataError(
                f"level {self.levels.max()} was logged and amounts has {levels} levels; allowed: "
                f"0 to {levels - 1}, or more amounts"
            )
        if self.allowed is not None and self.allowed.shape[1] != levels:
            raise DataError(f"masks of {self.allowed.shape[1]} levels; amounts has {levels}")
        if not self.usable.any():
            raise DataError(
                "no row has a next step or is terminal, so nothing can be learned; build more "
                "periods of trajectories"
            )


def check_values(
    states: NDArray[np.float32],
    feature_names: Sequence[str] | None,
    *,
    rows: bool = True,
) -> None:
    """DataError for a state that is not finite, with its column's name and, if wanted, its row."""
    for start in range(0, len(states), _CHECKED):
        block = states[start : start + _CHECKED]
        finite = np.isfinite(block)
        if not finite.all():
            column = int((~finite).any(axis=0).argmax())
            name = feature_names[column] if feature_names else f"state[{column}]"
            row = int((~finite[:, column]).argmax())
            place = f" of row {start + row}" if rows else ""
            raise DataError(
                f"feature {name} is {block[row, column]} in a state{place}; allowed: finite "
                "numbers: mend the feature and rebuild the trajectories"
            )
