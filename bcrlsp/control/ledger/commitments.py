"""From what was chosen for a batch of requests to the entries of a ledger."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from bcrlsp.control.ledger.entries import Entry, State


@dataclass(frozen=True)
class Chosen:
    """What was chosen for m users: levels (m,); faces (m,) and charges (m, k), int64, units."""

    levels: NDArray[np.intp]
    faces: NDArray[np.int64]
    charges: NDArray[np.int64]


def entries_of(
    ids: Sequence[str] | None,
    fresh: NDArray[np.intp],
    chosen: Chosen,
    places: Sequence[int],
    width: int,
    until: float | None,
) -> dict[str, Entry]:
    """What a choice leaves in the ledger; places: of the budgets among `width` lines."""
    charges = np.zeros((len(fresh), width), np.int64)
    charges[:, places] = chosen.charges
    if ids is None:
        if until is None or not chosen.charges.any():
            return {}
        sums = tuple(charges.sum(axis=0).tolist())
        return {_lump(): Entry(State.OUT, 0, int(chosen.faces.sum()), sums, until)}
    rows = zip(
        fresh.tolist(), chosen.levels.tolist(), chosen.faces.tolist(),
        map(tuple, charges.tolist()), strict=True,
    )  # fmt: skip
    return {
        ids[place]: Entry(State.OUT if level else State.NOTHING, level, face, charge, until)
        for place, level, face, charge in rows
    }


def undecided(
    ids: Sequence[str] | None, n: int, known: Mapping[str, Entry], levels: NDArray[np.intp]
) -> tuple[NDArray[np.intp], list[tuple[int, int]]]:
    """Places that need a decision, and (place, first place) of ids that are there twice.

    Levels of known ids are filled in.
    """
    if ids is None:
        return np.arange(n), []
    if not known and len(set(ids)) == n:
        return np.arange(n), []
    fresh: list[int] = []
    first: dict[str, int] = {}
    same = []
    for place, name in enumerate(ids):
        entry = known.get(name)
        if entry is not None and entry.state != State.EARLY:
            levels[place] = entry.level
        elif name in first:
            same.append((place, first[name]))
        else:
            first[name] = place
            fresh.append(place)
    return np.array(fresh, np.intp), same


def _lump() -> str:
    return f"lump-{uuid4().hex}"
