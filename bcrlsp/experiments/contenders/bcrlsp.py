"""The best configuration: a planner over a learned response, and the budget program."""

from typing import Any

from bcrlsp.experiments.contender import CONTENDERS, Recipe
from bcrlsp.experiments.learned import budgeted
from bcrlsp.experiments.scene import Scene
from bcrlsp.experiments.scoring import Judge


def _fit(scene: Scene, judge: Judge) -> dict[str, Any]:
    return {"options": {"budget": scene.mean_budget}}


RECIPE = Recipe("bcrlsp", "planner", _fit)

CONTENDERS.register("bcrlsp")(budgeted("BCRLSP", RECIPE))
