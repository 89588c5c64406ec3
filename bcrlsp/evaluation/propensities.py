"""Fills in the propensities that a log lacks."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bcrlsp.evaluation.behaviour import BehaviourModel, Calibration, calibration, fit_behaviour
from bcrlsp.evaluation.log import Floats, Log
from bcrlsp.evaluation.reading import LoggedTable
from bcrlsp.evaluation.settings import Settings

POOR_CALIBRATION = 0.02
"""Expected calibration error above which a warning is given."""


@dataclass(frozen=True, eq=False)
class Completed:
    """A log with every propensity.

    behaviour: the log's probability of every level, array (N, a), where it is known or modelled.
    missing, raised: rows whose propensity is modelled, and of those the ones below the floor.
    """

    log: Log
    behaviour: Floats | None
    missing: int
    raised: int


@dataclass(frozen=True, eq=False)
class Propensities:
    """The model of the behaviour, fitted on a sample of users, and its calibration there."""

    model: BehaviourModel
    calibration: Calibration
    floor: float

    @staticmethod
    def fit(sample: Log, settings: Settings, seed: int) -> Propensities:
        """Cross-fitted over the users of the sample; see `behaviour`."""
        model = fit_behaviour(sample, settings, seed)
        fit = calibration(model.probabilities(sample), sample.levels)
        return Propensities(model, fit, settings.propensity_floor)

    def fill(self, log: Log) -> Completed:
        """Modelled propensities where they are missing; logged ones stay as they are."""
        behaviour = self.model.probabilities(log)
        chosen = behaviour[np.arange(len(log.levels)), log.levels]
        missing = np.isnan(log.propensities)
        filled = np.where(missing, np.maximum(chosen, self.floor), log.propensities)
        return Completed(
            replace(log, propensities=filled),
            behaviour,
            int(missing.sum()),
            int((missing & (chosen < self.floor)).sum()),
        )

    def warnings(self, missing: int, raised: int, rows: int) -> list[str]:
        """What a reader should know of them; counts as in `Completed`, of `rows` in all."""
        error = self.calibration.expected_error
        lines = [
            f"{missing} of {rows} propensities were not logged and are modelled (calibration error "
            f"{error:.4f}): unseen reasons for a bonus bias the answer"
        ]
        if error > POOR_CALIBRATION:
            lines.append(
                f"the modelled propensities are poorly calibrated: error {error:.3f}, above "
                f"{POOR_CALIBRATION}"
            )
        if raised:
            lines.append(f"{raised} modelled propensities were raised to {self.floor}")
        return lines


def complete(read: LoggedTable, fitted: Propensities | None) -> Completed:
    """The log as it is where every propensity was logged (`fitted` is None), else filled in."""
    if fitted is None:
        return Completed(read.log, read.behaviour, 0, 0)
    return fitted.fill(read.log)
