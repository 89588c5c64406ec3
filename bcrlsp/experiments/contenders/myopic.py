"""Learned returns of the period alone, and the budget program: uplift modelling."""

from bcrlsp.experiments.contender import CONTENDERS, Contender
from bcrlsp.experiments.learned import budgeted

CONTENDERS.register("myopic")(Contender("Myopic uplift + LP", "events", True, budgeted("myopic")))
