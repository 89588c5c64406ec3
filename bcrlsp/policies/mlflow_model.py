"""A policy as an MLflow model: features in, values and expected costs of every level out."""

from typing import Any

import numpy as np
import pandas as pd
from mlflow.pyfunc.model import PythonModel

from bcrlsp.policies.store import load_policy


class PolicyModel(PythonModel):  # type: ignore[misc]
    """Wraps the saved policy that the model's artefact `policy` is.

    digest: the one that the policy must have.
    """

    # For models that an older version logged: they were saved without one.
    _digest: str | None = None

    def __init__(self, digest: str | None = None) -> None:
        self._digest = digest

    def load_context(self, context: Any) -> None:
        """Loads the policy once."""
        self._policy = load_policy(context.artifacts["policy"], self._digest)

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """One row a row of `model_input`, whose columns are the policy's features by name.

        Columns value_0.. (expected discounted active periods) and cost_0.. (money), one a level.
        """
        states = model_input[list(self._policy.feature_names)].to_numpy()
        values, costs = self._policy.evaluate(states)
        levels = range(self._policy.levels)
        return pd.DataFrame(
            np.hstack([values, costs]),
            columns=[*(f"value_{level}" for level in levels), *(f"cost_{a}" for a in levels)],
            index=model_input.index,
        )
