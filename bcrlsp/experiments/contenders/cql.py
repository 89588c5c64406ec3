"""The method of the paper: a conservative Q of returns, and a budget program each period."""

from bcrlsp.experiments.contender import CONTENDERS, Contender
from bcrlsp.experiments.learned import budgeted

CONTENDERS.register("cql")(Contender("Q + LP (the paper)", "events", True, budgeted("cql")))
