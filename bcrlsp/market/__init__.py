"""The simulated market: a small known Markov chain, its log, its players and its optimum."""

from bcrlsp.market.behaviour import Behaviour
from bcrlsp.market.belief import Belief
from bcrlsp.market.chain import Chain, build_chain
from bcrlsp.market.generate import simulated_table
from bcrlsp.market.oracle import Oracle, q_values, solve_oracle
from bcrlsp.market.play import History, Market, Policy, Step, play
from bcrlsp.market.settings import Settings
from bcrlsp.market.simulation import Simulation

__all__ = [
    "Behaviour",
    "Belief",
    "Chain",
    "History",
    "Market",
    "Oracle",
    "Policy",
    "Settings",
    "Simulation",
    "Step",
    "build_chain",
    "play",
    "q_values",
    "simulated_table",
    "solve_oracle",
]
