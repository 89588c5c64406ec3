"""Budget constrained reinforcement learning for sequential promotion (arXiv 2207.07790).

The names below are imported on first use, so that `import bcrlsp` is quick and a plain installation
is enough for what needs neither Spark nor Ray: the budget LP, evaluation and scoring on arrays.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

# Where each name is defined: a package, and after the colon its name there if that is another one.
_HOME = {
    "Allocation": "bcrlsp.allocation",
    "Budget": "bcrlsp.allocation",
    "Certificate": "bcrlsp.allocation",
    "InfeasibleBudgetError": "bcrlsp.allocation",
    "Solution": "bcrlsp.allocation",
    "allocate": "bcrlsp.allocation",
    "solve": "bcrlsp.allocation",
    "PriceRule": "bcrlsp.control",
    "BcrlspError": "bcrlsp.errors",
    "ConfigError": "bcrlsp.errors",
    "ConflictError": "bcrlsp.errors",
    "DataError": "bcrlsp.errors",
    "UserError": "bcrlsp.errors",
    "Estimate": "bcrlsp.evaluation",
    "estimate": "bcrlsp.evaluation",
    "on_policy": "bcrlsp.evaluation",
    "FeatureSet": "bcrlsp.features",
    "Records": "bcrlsp.features",
    "default_feature_set": "bcrlsp.features",
    "TrainedPolicy": "bcrlsp.learning",
    "TrainingSettings": "bcrlsp.learning:Settings",
    "Transitions": "bcrlsp.learning",
    "train": "bcrlsp.learning",
    "transitions": "bcrlsp.learning:from_frame",
    "Calendar": "bcrlsp.periods",
    "Policy": "bcrlsp.policies",
    "load_policy": "bcrlsp.policies",
    "save_policy": "bcrlsp.policies",
    "get_session": "bcrlsp.session",
    "Lake": "bcrlsp.tables",
}

__all__ = ["__version__", *sorted(_HOME)]  # noqa: PLE0604 (names, out of a table of them)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'bcrlsp' has no attribute {name!r}")
    package, _, there = _HOME[name].partition(":")
    try:
        value = getattr(importlib.import_module(package), there or name)
    except ModuleNotFoundError as error:
        from bcrlsp.extras import missing_dependency

        missing = missing_dependency(error)
        if missing is None:
            raise
        raise missing from None
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
