"""What an experiment found, and how tables and figures look it up."""

from dataclasses import dataclass

from bcrlsp.experiments.ope import Judgement
from bcrlsp.experiments.scoring import Score
from bcrlsp.experiments.settings import Settings


@dataclass(frozen=True)
class Played:
    """One contender's score in one case with one seed."""

    study: str
    at: float
    contender: str
    seed: int
    score: Score


@dataclass(frozen=True)
class Results:
    """Everything that the tables and figures are made of.

    played: all scores. estimators: how each estimator did. missing: scores that a run which is not
    finished still has to find, None where it is.
    """

    settings: Settings
    played: list[Played]
    estimators: list[Judgement]
    missing: int | None = None

    def studies(self) -> set[str]:
        """The studies that have a score."""
        return {each.study for each in self.played}

    def places(self, study: str) -> list[float]:
        """The values that a study varies, rising."""
        return sorted({each.at for each in self.played if each.study == study})

    def contenders(self, study: str) -> list[str]:
        """The contenders of a study, in the order in which they were played."""
        return list(dict.fromkeys(p.contender for p in self.played if p.study == study))

    def scores(self, study: str, at: float, contender: str) -> list[Score]:
        """The scores of one contender at one value, one a seed."""
        return [
            each.score
            for each in self.played
            if (each.study, each.at, each.contender) == (study, at, contender)
        ]

    def by_contender(self, study: str) -> dict[str, list[Score]]:
        """All scores of a study."""
        found: dict[str, list[Score]] = {name: [] for name in self.contenders(study)}
        for each in self.played:
            if each.study == study:
                found[each.contender].append(each.score)
        return found
