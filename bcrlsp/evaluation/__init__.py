"""Off-policy evaluation: what a policy would have earned and cost, from logs alone."""

from bcrlsp.evaluation.comparison import EVERYONE, Comparison, compare
from bcrlsp.evaluation.estimators import ESTIMATORS
from bcrlsp.evaluation.off_policy import Estimate, estimate
from bcrlsp.evaluation.on_policy import on_policy
from bcrlsp.evaluation.policy_targets import greedy, priced, smoothed
from bcrlsp.evaluation.settings import Settings

__all__ = [
    "ESTIMATORS",
    "EVERYONE",
    "Comparison",
    "Estimate",
    "Settings",
    "compare",
    "estimate",
    "greedy",
    "on_policy",
    "priced",
    "smoothed",
]
