"""The report: one self-contained HTML page about the tables of a lake."""

from bcrlsp.report.page import render
from bcrlsp.report.reading import require_lake

__all__ = ["render", "require_lake"]
