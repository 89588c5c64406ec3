"""What a redemption does to a bonus and to the lines of the budgets that count it."""

from collections.abc import Sequence
from dataclasses import replace

from bcrlsp.control.ledger.entries import Entry, Line, State

Counts = dict[str, float]


def redeem(
    name: str, amount: int, entries: dict[str, Entry], lines: list[Line], counts: Counts
) -> str:
    """Takes in one redemption of the feed; entries, lines and counts are changed in place.

    amount: units. Returns settled, duplicate, early, late or foreign; see `Ledger.counts`.
    """
    entry = entries.get(name)
    if entry is None:
        entries[name] = Entry(State.EARLY, 0, 0, (), None, amount)
        outcome = "early"
    elif entry.state in (State.REDEEMED, State.EARLY):
        _count(counts, "duplicates", 1)
        kept = amount if entry.state == State.EARLY else min(amount, entry.face)
        other = entry.amount not in (amount, kept)
        _count(counts, "conflicts", int(other))
        return "duplicate"
    elif entry.state == State.NOTHING:
        entries[name] = entry._replace(state=State.REDEEMED)
        outcome = "foreign"
    else:
        outcome = "late" if entry.state == State.RELEASED else "settled"
        entries[name] = _settled(entry, amount, lines, counts)
    if outcome != "settled":
        _count(counts, outcome, 1)
    return outcome


def meet(entry: Entry, early: int | None, lines: list[Line], counts: Counts) -> Entry:
    """The entry of a bonus that is new here; lines and counts are changed.

    early: units of the redemption that came before it, if one did.
    """
    if early is None:
        return entry
    _count(counts, "early", -1)
    if entry.state == State.REDEEMED:
        return entry
    if entry.state == State.NOTHING:
        _count(counts, "foreign", 1)
        return entry._replace(state=State.REDEEMED)
    if entry.state == State.RELEASED:
        _count(counts, "late", 1)
    return _settled(entry, early, lines, counts)


def give_back(entry: Entry, lines: list[Line]) -> Entry:
    """The entry of a bonus that expired; lines are changed."""
    _move(entry.charges, lines, -1, None)
    return entry._replace(state=State.RELEASED)


def take_in(entry: Entry, lines: list[Line]) -> None:
    """Adds what an entry uses up to the lines, which are changed."""
    if entry.state == State.OUT:
        _move(entry.charges, lines, 1, None)
    elif entry.state == State.REDEEMED:
        _move(entry.charges, lines, 0, entry.amount)


def _settled(entry: Entry, amount: int, lines: list[Line], counts: Counts) -> Entry:
    # Above face value is the seller's mistake: no budget line was ever meant to hold it.
    paid, was_out = min(amount, entry.face), entry.state == State.OUT
    _count(counts, "excess_units", amount - paid)
    if not was_out:
        _count(counts, "late_units", paid)
    _move(entry.charges, lines, -1 if was_out else 0, paid)
    return entry._replace(state=State.REDEEMED, amount=paid)


def _move(charges: Sequence[int], lines: list[Line], out: int, paid: int | None) -> None:
    """Adds `out` times the charges to what is out, and what `paid` comes to to what is redeemed."""
    for place, charge in enumerate(charges):
        if charge:
            line = lines[place]
            spent = 0 if paid is None else line.charge(paid)
            lines[place] = replace(
                line, redeemed=line.redeemed + spent, out=line.out + out * charge
            )


def _count(counts: Counts, name: str, by: int) -> None:
    if by:
        counts[name] = counts.get(name, 0) + by
