"""A response model without structure, and planning in it: see `learner`."""

from bcrlsp.learning.recurrent.settings import Settings

__all__ = ["Settings"]
