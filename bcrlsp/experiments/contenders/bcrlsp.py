"""The best configuration: a planner over a learned response, and the budget program."""

from bcrlsp.experiments.contender import CONTENDERS, Recipe
from bcrlsp.experiments.learned import budgeted

CONTENDERS.register("bcrlsp")(budgeted("BCRLSP", Recipe("bcrlsp", "planner")))
