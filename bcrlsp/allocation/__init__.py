"""The budget linear program: who gets which level, at most value, within every budget."""

from bcrlsp.allocation.budget import Budget, InfeasibleBudgetError
from bcrlsp.allocation.certificate import Certificate, Solution
from bcrlsp.allocation.solve import solve

__all__ = ["Budget", "Certificate", "InfeasibleBudgetError", "Solution", "solve"]
