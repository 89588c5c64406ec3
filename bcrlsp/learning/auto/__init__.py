"""Tries several learners and saves the one that is surest to be better: see `choose`."""

from bcrlsp.learning.auto.settings import Settings

__all__ = ["Settings"]
