"""Planning through a learned model of how users respond: see `planner.plan`."""

from bcrlsp.learning.planner.settings import Settings

__all__ = ["Settings"]
