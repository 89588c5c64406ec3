"""The learned Q without a budget: everybody gets the level of the largest value."""

from bcrlsp.experiments.contender import CONTENDERS, Recipe
from bcrlsp.experiments.learned import unbudgeted

CONTENDERS.register("greedy")(unbudgeted("Greedy Q, no budget", Recipe("cql", "cql")))
