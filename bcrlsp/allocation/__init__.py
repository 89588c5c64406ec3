"""The budget linear program: who gets which level, at most value, within every budget."""

from bcrlsp.allocation.budget import Budget, InfeasibleBudgetError
from bcrlsp.allocation.certificate import Certificate, Solution
from bcrlsp.allocation.frontier import Frontier
from bcrlsp.allocation.settings import Settings
from bcrlsp.allocation.solve import solve
from bcrlsp.allocation.spark.allocate import Allocation, allocate
from bcrlsp.allocation.spark.delta_store import DeltaStore
from bcrlsp.allocation.spark.file_store import FileStore

__all__ = [
    "Allocation",
    "Budget",
    "Certificate",
    "DeltaStore",
    "FileStore",
    "Frontier",
    "InfeasibleBudgetError",
    "Settings",
    "Solution",
    "allocate",
    "solve",
]
