"""Learned returns of the period alone, and the budget program: uplift modelling."""

from bcrlsp.experiments.contender import CONTENDERS, Recipe
from bcrlsp.experiments.learned import budgeted

CONTENDERS.register("myopic")(budgeted("Myopic uplift + LP", Recipe("myopic", "myopic")))
