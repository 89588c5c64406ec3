"""The feature set: what a policy sees of a user, declared once."""

from bcrlsp.features.default import default_feature_set
from bcrlsp.features.feature_set import Carry, Feature, FeatureSet
from bcrlsp.features.records import MEMORY, MOST_EVENTS, Records, record_of

__all__ = [
    "MEMORY",
    "MOST_EVENTS",
    "Carry",
    "Feature",
    "FeatureSet",
    "Records",
    "default_feature_set",
    "record_of",
]
