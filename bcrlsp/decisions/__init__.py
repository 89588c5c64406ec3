"""Decisions of a period: checked against their budgets, written whole, read by certificate."""

from bcrlsp.decisions.audit import audit
from bcrlsp.decisions.record import Record, commit
from bcrlsp.decisions.runs import certified_run, decisions, runs_of

__all__ = ["Record", "audit", "certified_run", "commit", "decisions", "runs_of"]
