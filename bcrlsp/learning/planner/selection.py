"""Which structure describes users best: the likelihood of users that the fit has not seen.

A search one choice at a time (family and size of each counter, link, number of classes) instead of
the whole grid: parameters keep their meaning from one structure to the next, so that each fit
begins where the last one ended.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from bcrlsp.learning.planner.counters import COUNTERS
from bcrlsp.learning.planner.fit import Fit, carried, climb, fit
from bcrlsp.learning.planner.histories import Histories
from bcrlsp.learning.planner.likelihood import user_log_likelihoods
from bcrlsp.learning.planner.links import LINKS
from bcrlsp.learning.planner.response import Floats, Structure

# Sizes of each family that are compared first; from the best one the search goes on by ones.
_SIZES = (3, 6)
_LARGEST = {"walk": 12, "recency": 12, "window": 5}
_MOST_CLASSES = 6


@dataclass(frozen=True, eq=False)
class Tried:
    """A structure that was fitted. scores: held-out log-likelihood of each user, array (u,)."""

    fit: Fit
    scores: Floats

    @property
    def structure(self) -> Structure:
        """The structure."""
        return self.fit.response.structure

    def beats(self, other: "Tried") -> bool:
        """Whether held-out users are likelier."""
        return bool(self.scores.mean() > other.scores.mean())


@dataclass(frozen=True, eq=False)
class Search:
    """best: the structure chosen. tried: all of them, in the order they were tried."""

    best: Tried
    tried: list[Tried]


def search(
    amounts: tuple[float, ...],
    train: Histories,
    holdout: Histories,
    *,
    seed: int,
    most: int = 60,
    progress: Callable[[Tried], None] = lambda tried: None,
) -> Search:
    """Fits structures to `train` and compares them on `holdout`, both users in random order.

    most: iterations of each fit.
    """
    tried: dict[Structure, Tried] = {}

    def attempt(structure: Structure, near: Tried | None) -> Tried:
        if structure not in tried:
            if near is None:
                found = fit(structure, train, seed=seed, most=most)
            else:
                found = climb(structure, carried(near.fit.response, structure), train, most)
            tried[structure] = Tried(found, user_log_likelihoods(found.response, holdout))
            progress(tried[structure])
        return tried[structure]

    best = attempt(Structure(("walk", 4), ("walk", 4), "logit", 3, amounts), None)
    for name in ("habit", "wear", "habit", "wear"):
        for structure in _other_counters(best.structure, name):
            best = _better(attempt(structure, best), best)
        best = _resized(best, name, attempt)
    for link in LINKS:
        best = _better(attempt(replace(best.structure, link=link), best), best)
    for step in (-1, 1):
        while 1 <= best.structure.classes + step <= _MOST_CLASSES:
            classes = best.structure.classes + step
            other = attempt(replace(best.structure, classes=classes), best)
            if not other.beats(best):
                break
            best = other
    return Search(best, list(tried.values()))


def _better(other: Tried, best: Tried) -> Tried:
    return other if other.beats(best) else best


def _other_counters(structure: Structure, name: str) -> Iterator[Structure]:
    for family in COUNTERS.names():
        if family != getattr(structure, name)[0]:
            for size in _SIZES:
                if size <= _LARGEST.get(family, max(_SIZES)):
                    yield _with_counter(structure, name, family, size)


def _resized(best: Tried, name: str, attempt: Callable[[Structure, Tried | None], Tried]) -> Tried:
    """Goes on by one step of size for as long as that is better."""
    for step in (1, -1):
        while True:
            family, size = getattr(best.structure, name)
            if not 1 <= size + step <= _LARGEST.get(family, max(_SIZES)):
                break
            other = attempt(_with_counter(best.structure, name, family, size + step), best)
            if not other.beats(best):
                break
            best = other
    return best


def _with_counter(structure: Structure, name: str, family: str, size: int) -> Structure:
    counter = (family, size)
    if name == "habit":
        return replace(structure, habit=counter)
    return replace(structure, wear=counter)
