"""The best configuration: a planner over a learned response, and the budget program."""

from typing import Any

from bcrlsp.experiments.contender import CONTENDERS, Recipe
from bcrlsp.experiments.learned import budgeted
from bcrlsp.experiments.scenario import Scenario
from bcrlsp.experiments.scoring import Scorer


def _fit(scenario: Scenario, scorer: Scorer) -> dict[str, Any]:
    return {"options": {"budget": scenario.mean_budget}}


RECIPE = Recipe("bcrlsp", "planner", _fit)

CONTENDERS.register("bcrlsp")(budgeted("BCRLSP", RECIPE))
