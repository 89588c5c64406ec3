"""The comparison of policies on the simulated market, and of estimators with the truth."""

from bcrlsp.experiments.page import write_page
from bcrlsp.experiments.results import Results
from bcrlsp.experiments.run import run
from bcrlsp.experiments.settings import Settings, changes, quick

__all__ = ["Results", "Settings", "changes", "quick", "run", "write_page"]
