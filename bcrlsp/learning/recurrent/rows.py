"""Rows of known outcome with the state that each user was in: what response networks learn from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from bcrlsp.learning.recurrent.network import inputs_of
from bcrlsp.learning.recurrent.sequences import Sequences
from bcrlsp.policies import traces


@dataclass(frozen=True, eq=False)
class Rows:
    """n rows of known outcome. states: float32 (m, WIDTH), of all periods of all pieces; place:
    int64 (n,), each row's among them. calendar: float32 (m, c). piece: int64 (n,). levels: int8.
    outcome, shares, rewards, propensities: float32 (n,). rewarded: bool (n,). row: int64 (n,),
    among the transitions. See `Sequences`.
    """

    states: NDArray[np.float32]
    calendar: NDArray[np.float32]
    place: NDArray[np.int64]
    piece: NDArray[np.int64]
    levels: NDArray[np.int8]
    outcome: NDArray[np.float32]
    shares: NDArray[np.float32]
    rewards: NDArray[np.float32]
    rewarded: NDArray[np.bool_]
    propensities: NDArray[np.float32]
    row: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.place)

    def inputs(self, chosen: NDArray[np.integer]) -> Tensor:
        """What networks read of some rows, (b, i)."""
        place = self.place[chosen]
        return inputs_of(self.states[place], self.calendar[place])

    def of_pieces(self, pieces: NDArray[np.integer]) -> NDArray[np.int64]:
        """Places of the rows of some pieces."""
        return np.flatnonzero(np.isin(self.piece, pieces))


def rows_of(held: Sequences, shares: tuple[float, ...]) -> Rows:
    """All rows of known outcome. shares: amounts of the levels as shares of the largest."""
    states = traces.history(shares, held.levels, held.outcome)
    here = held.told
    pieces, periods = here.shape
    place = np.flatnonzero(here.ravel())
    return Rows(
        states=states.reshape(pieces * periods, -1),
        calendar=held.calendar.reshape(pieces * periods, -1),
        place=place,
        piece=place // periods,
        levels=held.levels[here].astype(np.int8),
        outcome=held.outcome[here],
        shares=held.shares[here],
        rewards=held.rewards[here],
        rewarded=held.rewarded[here],
        propensities=held.propensities[here],
        row=held.rows[here],
    )
