"""What the log's own policy earned and cost: the plain mean, with its interval."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from bcrlsp.evaluation.off_policy import Estimate, estimate
from bcrlsp.evaluation.settings import Settings
from bcrlsp.frames import as_table

NAME = "on-policy"
"""What `Estimate.estimator` says."""


def on_policy(
    trajectories: Any,
    measure: str = "retention",
    *,
    gamma: float = 0.8,
    confidence: float = 0.95,
    interval: str = "bootstrap",
    largest: float | None = None,
    seed: int = 0,
    settings: Settings | None = None,
) -> Estimate:
    """Mean over users of Σ_t gamma^t reward_t (or cost_t) as it was logged.

    The quantity that `estimate` gives for a target, so that the two can be compared. Levels,
    propensities and states are not used. Raises UserError as `estimate` does.
    """
    table = as_table(trajectories)
    rows = table.num_rows
    if "level" in table.column_names:
        # With one level that is sent for certain, every weight is 1.
        index = table.column_names.index("level")
        table = table.set_column(index, "level", pa.array(np.zeros(rows, dtype=np.int64)))
    found = estimate(
        table,
        np.ones((rows, 1)),
        "is",
        measure,
        gamma=gamma,
        propensities=np.ones(rows),
        confidence=confidence,
        interval=interval,
        largest=largest,
        seed=seed,
        settings=settings,
    )
    return replace(found, estimator=NAME)
