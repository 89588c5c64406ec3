"""The report: one self-contained HTML page about the tables of a lake."""

from bcrlsp.report.page import render

__all__ = ["render"]
