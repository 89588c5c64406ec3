"""The best configuration: a planner over a learned response, and the budget program."""

from bcrlsp.experiments.contender import CONTENDERS, Contender
from bcrlsp.experiments.learned import budgeted

CONTENDERS.register("bcrlsp")(Contender("BCRLSP", "events", True, budgeted("planner")))
