"""Models of the response as worlds in which rules are played: a simulated crowd of logged users.

Users begin at the last logged period of their history; a world knows how they answer, the judge
what a policy would see of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bcrlsp.learning.planner.likelihood import Belief
from bcrlsp.learning.planner.response import Response
from bcrlsp.learning.recurrent.ensemble import Made
from bcrlsp.learning.recurrent.sequences import Sequences
from bcrlsp.learning.recurrent.teach import Crowd

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Answers:
    """What is expected of n users now, arrays (n, a): chances of activity, reward, money."""

    chances: Floats
    rewards: Floats
    costs: Floats


class Mind(Protocol):
    """How the users of a crowd answer."""

    def answers(self, crowd: Crowd) -> Answers:
        """What each level would do now."""
        ...

    def move(self, levels: Ints, back: NDArray[np.bool_]) -> None:
        """One period passes."""
        ...


class World(Protocol):
    """A fitted model. family: which kind it is of. pieces: histories that it is played on."""

    @property
    def family(self) -> str:
        """Kind of the model."""
        ...

    @property
    def pieces(self) -> NDArray[np.integer]:
        """Numbers of the histories."""
        ...

    def mind(self, held: Sequences, seed: int) -> Mind:
        """That of the users of these histories at the start of each one's last period."""
        ...


@dataclass(frozen=True, eq=False)
class RecurrentWorld:
    """A member of the recurrent ensemble, and the users that it has not seen."""

    made: Made
    pieces: NDArray[np.integer]
    family: str = "recurrent"

    def mind(self, held: Sequences, seed: int) -> "RecurrentWorld":
        """See `World`: all that decides is in the crowd's own states."""
        return self

    def answers(self, crowd: Crowd) -> Answers:
        """See `Mind`."""
        outlook = self.made.valued.member.outlook(crowd.states, crowd.waves)
        told = (outlook.chance, outlook.rewards, outlook.costs)
        return Answers(*(each.astype(np.float64) for each in told))

    def move(self, levels: Ints, back: NDArray[np.bool_]) -> None:
        """See `Mind`."""


@dataclass(frozen=True, eq=False)
class StructuredWorld:
    """The structured response model. spending: see `learning.planner.spending`."""

    response: Response
    spending: Floats
    pieces: NDArray[np.integer]
    family: str = "structured"

    def mind(self, held: Sequences, seed: int) -> "StructuredMind":
        """See `World`."""
        return StructuredMind(self.response, self.spending, held, seed)


class StructuredMind:
    """Users with a class and a state drawn from the belief that their histories leave."""

    def __init__(self, response: Response, spending: Floats, held: Sequences, seed: int) -> None:
        self._response, self._spending = response, spending
        belief = Belief(response, len(held))
        last = held.present.sum(axis=1) - 1
        for t in range(held.periods):
            here = held.present[:, t] & (t < last)
            belief.update(held.levels[:, t], held.outcome[:, t] > 0, here)
        begin, self._kind = belief.draw(np.random.default_rng([seed, 9]).random(len(held)))
        self._state = belief.states[np.arange(len(held)), begin]

    def answers(self, crowd: Crowd) -> Answers:
        """See `Mind`."""
        chance = self._response.returns[self._state, :, self._kind]
        away, back = (self._spending[outcome].T[self._kind] for outcome in (0, 1))
        return Answers(chance, chance, (1 - chance) * away + chance * back)

    def move(self, levels: Ints, back: NDArray[np.bool_]) -> None:
        """See `Mind`."""
        after = self._response.structure.after
        self._state = after[back.astype(np.int64), (levels > 0).astype(np.int64), self._state]


def some(pieces: NDArray[np.integer], most: int, seed: int) -> NDArray[np.integer]:
    """At most so many of them, drawn at random, in order."""
    return np.sort(np.random.default_rng([seed, 10]).permutation(pieces)[:most])


def families(worlds: Sequence[World]) -> list[str]:
    """The kinds of the worlds, each once, in order."""
    return list(dict.fromkeys(world.family for world in worlds))
