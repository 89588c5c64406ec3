"""Simulated days, played through rule, ledger and controller; their optimum needs SciPy."""

from bcrlsp.control.replay.day import Day, Population, Scenario, World
from bcrlsp.control.replay.play import Played, play

__all__ = ["Day", "Played", "Population", "Scenario", "World", "play"]
