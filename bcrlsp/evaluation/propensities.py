"""Fills in the propensities that a log lacks."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bcrlsp.evaluation.behaviour import Calibration, calibration, fit_behaviour
from bcrlsp.evaluation.log import Floats, Log
from bcrlsp.evaluation.reading import LoggedTable
from bcrlsp.evaluation.settings import Settings

POOR_CALIBRATION = 0.02
"""Expected calibration error above which a warning is given."""


@dataclass(frozen=True, eq=False)
class Completed:
    """A log with every propensity.

    behaviour: the log's probability of every level, array (N, a), where it is known or modelled.
    calibration: of the model, None where every propensity was logged.
    """

    log: Log
    behaviour: Floats | None
    calibration: Calibration | None
    warnings: tuple[str, ...]


def complete(read: LoggedTable, settings: Settings, seed: int) -> Completed:
    """Modelled propensities where they are missing; logged ones stay as they are."""
    log = read.log
    missing = np.isnan(log.propensities)
    if not missing.any():
        return Completed(log, read.behaviour, None, ())
    model = fit_behaviour(log.sample(settings.max_fit_rows, seed), settings, seed)
    behaviour = model.probabilities(log)
    fit = calibration(behaviour, log.levels)
    chosen = behaviour[np.arange(len(log.levels)), log.levels]
    raised = missing & (chosen < settings.propensity_floor)
    warnings = [
        f"{int(missing.sum())} of {len(missing)} propensities were not logged and are modelled "
        f"(calibration error {fit.expected_error:.4f}): unseen reasons for a bonus bias the answer"
    ]
    if fit.expected_error > POOR_CALIBRATION:
        warnings.append(
            f"the modelled propensities are poorly calibrated: error {fit.expected_error:.3f}, "
            f"above {POOR_CALIBRATION}"
        )
    if raised.any():
        warnings.append(
            f"{int(raised.sum())} modelled propensities were raised to {settings.propensity_floor}"
        )
    chosen = np.maximum(chosen, settings.propensity_floor)
    filled = replace(log, propensities=np.where(missing, chosen, log.propensities))
    return Completed(filled, behaviour, fit, tuple(warnings))
