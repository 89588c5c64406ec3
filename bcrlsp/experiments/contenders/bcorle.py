"""BCORLE(λ): R-BCQ on return - λ cost, and the budget program (Zhang et al. 2021, NeurIPS).

The original learns for every λ and searches the one that keeps the budget. Here it is given the
oracle's, the mean dual price of the scenario: it is spared the search, not judged by it.
"""

from typing import Any

from bcrlsp.experiments.contender import CONTENDERS, Recipe
from bcrlsp.experiments.learned import budgeted
from bcrlsp.experiments.scenario import Scenario
from bcrlsp.experiments.scoring import Scorer


def _fit(scenario: Scenario, scorer: Scorer) -> dict[str, Any]:
    return {"price": float(scorer.oracle.prices.mean())}


CONTENDERS.register("bcorle")(
    budgeted("BCORLE(λ) at the oracle's λ, + LP", Recipe("bcorle", "rbcq", _fit))
)
