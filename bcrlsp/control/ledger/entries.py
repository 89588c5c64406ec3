"""What a ledger holds: the position of each budget, and what became of each bonus."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple, Protocol


class State(IntEnum):
    """What became of a decision."""

    NOTHING = 0
    """Nothing was sent: a decision that uses no money."""
    OUT = 1
    """Sent; its face value is committed."""
    REDEEMED = 2
    """Settled at the redeemed amount."""
    RELEASED = 3
    """Expired; its money went back."""
    EARLY = 4
    """A redemption whose bonus is not known yet."""


class Entry(NamedTuple):
    """One bonus.

    face: units. charges: units by budget, in the order of the lines; 1 where it counts users.
    until: last instant at which it can be redeemed, seconds since 1970; None: it never expires.
    amount: units redeemed.
    """

    state: State
    level: int
    face: int
    charges: tuple[int, ...]
    until: float | None
    amount: int = 0


@dataclass(frozen=True)
class Line:
    """The position of one budget, in units of money (users for a count).

    limit: None where nothing bounds it. redeemed: settled for good. out: face value of what is out.
    scope: whom and which levels it counts, in words; None where that was never said.
    """

    name: str
    measure: str
    limit: int | None
    redeemed: int = 0
    out: int = 0
    scope: str | None = None

    @property
    def used(self) -> int:
        """What counts against the limit."""
        return self.redeemed + self.out

    @property
    def room(self) -> int | None:
        """What may still be committed, below 0 after a cut; None: no bound."""
        return None if self.limit is None else self.limit - self.used

    def charge(self, amount: int) -> int:
        """What a redeemed bonus that this budget counts keeps of it."""
        return amount if self.measure == "cost" else 1


COUNTS = ("duplicates", "conflicts", "early", "foreign", "late", "late_units", "excess_units")
"""What a ledger counts of the redemption feed; see `Ledger.counts`."""


class Store(Protocol):
    """Where a ledger's lines and entries are; the small interface of another kind of ledger.

    Everything happens inside `transaction`, which excludes every other user of the same store, and
    whose one `apply` is kept whole or not at all.
    """

    def transaction(self) -> AbstractContextManager[None]:
        """Alone with the store until the end of the block; an error leaves it as it was."""
        ...

    def lines(self) -> list[Line]:
        """The lines, in the order in which they were added."""
        ...

    def find(self, ids: Iterable[str]) -> dict[str, Entry]:
        """The entries that there are of these bonus ids."""
        ...

    def due(self, until: float) -> dict[str, Entry]:
        """Entries that are out and could be redeemed until `until` at most."""
        ...

    def counts(self) -> dict[str, float]:
        """Counters and other small numbers by name."""
        ...

    def apply(
        self, entries: Mapping[str, Entry], lines: Sequence[Line], counts: Mapping[str, float]
    ) -> None:
        """Puts entries in (or in place of those with their ids), all lines, and counters."""
        ...
