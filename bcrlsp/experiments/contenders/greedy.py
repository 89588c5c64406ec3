"""The learned Q without a budget: everybody gets the level of the largest value."""

from bcrlsp.experiments.contender import CONTENDERS, Contender
from bcrlsp.experiments.learned import unbudgeted

CONTENDERS.register("greedy")(Contender("Greedy Q, no budget", "events", True, unbudgeted("cql")))
