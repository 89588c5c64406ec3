"""The method of the paper: a conservative Q of returns, and a budget program each period."""

from bcrlsp.experiments.contender import CONTENDERS, Recipe
from bcrlsp.experiments.learned import budgeted

CONTENDERS.register("cql")(budgeted("Q + LP (the paper)", Recipe("cql", "cql")))
