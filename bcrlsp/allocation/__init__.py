"""The budget linear program: who gets which level, at most value, within every budget.

`solve` works on arrays; `allocate` on Spark DataFrames, and is imported when it is asked for.
"""

import importlib
from typing import TYPE_CHECKING, Any

from bcrlsp.allocation.certificate import Certificate, Solution
from bcrlsp.allocation.dual.frontier import Frontier
from bcrlsp.allocation.problem.budget import Budget, InfeasibleBudgetError
from bcrlsp.allocation.settings import Settings
from bcrlsp.allocation.solve import solve

if TYPE_CHECKING:
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

_ON_SPARK = {
    "Allocation": "allocate",
    "allocate": "allocate",
    "DeltaStore": "delta_store",
    "FileStore": "file_store",
}


def __getattr__(name: str) -> Any:
    if name not in _ON_SPARK:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.spark.{_ON_SPARK[name]}")
    return getattr(module, name)
