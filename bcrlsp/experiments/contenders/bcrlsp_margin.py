"""The best configuration as it is deployed: each period's spend is kept within its own budget."""

from bcrlsp.experiments.contender import CONTENDERS
from bcrlsp.experiments.contenders.bcrlsp import RECIPE
from bcrlsp.experiments.learned import budgeted

CONTENDERS.register("bcrlsp_margin")(budgeted("BCRLSP, margin of 99 %", RECIPE, 0.99))
