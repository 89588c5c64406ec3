"""Confidence intervals over users: one module each, which registers itself here."""

from collections.abc import Callable
from typing import TypeAlias

from bcrlsp.evaluation.settings import Settings
from bcrlsp.evaluation.terms import Terms
from bcrlsp.registry import Registry

Interval: TypeAlias = Callable[[Terms, float, Settings, int], tuple[float, float, list[str]]]
"""(terms, confidence, settings, seed) -> (low, high, warnings)."""

INTERVALS: Registry[Interval] = Registry("interval", __name__, "bcrlsp.intervals")
