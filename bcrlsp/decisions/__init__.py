"""Decisions of a period: planned, made, checked against their budgets, written whole.

`plan_period` and `decide_period` take a `Deployment`: tables, grid, features and settings. What is
written is read by its certificate.
"""

from bcrlsp.decisions.audit import audit
from bcrlsp.decisions.deployment import Deployment
from bcrlsp.decisions.period import PeriodPlan, PeriodResult, decide_period, plan_period
from bcrlsp.decisions.record import Record, commit
from bcrlsp.decisions.runs import certified_run, decisions, runs_of

__all__ = [
    "Deployment",
    "PeriodPlan",
    "PeriodResult",
    "Record",
    "audit",
    "certified_run",
    "commit",
    "decide_period",
    "decisions",
    "plan_period",
    "runs_of",
]
