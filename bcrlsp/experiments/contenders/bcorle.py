"""BCORLE(λ): R-BCQ on return - λ cost, and the budget program (Zhang et al. 2021, NeurIPS).

The original learns for every λ and searches the one that keeps the budget. Here it is given the
oracle's, the mean dual price of the scene: it is spared the search, not judged by it.
"""

from typing import Any

from bcrlsp.experiments.contender import CONTENDERS, Recipe
from bcrlsp.experiments.learned import budgeted
from bcrlsp.experiments.scene import Scene
from bcrlsp.experiments.scoring import Judge


def _fit(scene: Scene, judge: Judge) -> dict[str, Any]:
    return {"price": float(judge.oracle.prices.mean())}


CONTENDERS.register("bcorle")(
    budgeted("BCORLE(λ) at the oracle's λ, + LP", Recipe("bcorle", "rbcq", _fit))
)
