"""Saved policies: their format, their values, and scoring; neither Ray nor torch is needed."""

from bcrlsp.policies.heads import HEADS
from bcrlsp.policies.manifest import Manifest
from bcrlsp.policies.network import HeadSpec, Network, NetworkSpec
from bcrlsp.policies.policy import Policy
from bcrlsp.policies.store import load_policy, policy_digest, save_policy, weights_digest

__all__ = [
    "HEADS",
    "HeadSpec",
    "Manifest",
    "Network",
    "NetworkSpec",
    "Policy",
    "load_policy",
    "policy_digest",
    "save_policy",
    "weights_digest",
]
