"""The feature set that a policy's states are of, found again from what training is told of it."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from bcrlsp.errors import DataError
from bcrlsp.features import FeatureSet, default_feature_set
from bcrlsp.periods import Calendar

_ORIGIN = datetime(2024, 1, 1, tzinfo=UTC)
# What the response model does not tell: how many events a period has, and the calendar.
_UNTOLD_PLANES, _UNTOLD_READS = {"events"}, {"sin", "cos"}


def feature_set_of(feature_hash: str, amounts: Sequence[float]) -> FeatureSet:
    """The default feature set with that hash; its calendar is right but for the origin.

    Raises DataError where no length of a period gives the hash.
    """
    for length in _lengths():
        found = default_feature_set(amounts, Calendar(_ORIGIN, length))
        if found.hash == feature_hash:
            return found
    raise DataError(
        f"feature set {feature_hash} is not the default one for amounts {list(amounts)}; "
        "algorithms that plan (planner, recurrent, auto) make up histories with the default "
        "features: rebuild the trajectories, or train with another one, such as cql"
    )


def told(feature_set: FeatureSet) -> NDArray[np.bool_]:
    """Columns that follow from levels and returns alone, bool (d,): those a plan may look at."""
    return np.array(
        [
            not _UNTOLD_PLANES & set(feature.planes) and feature.read not in _UNTOLD_READS
            for feature in feature_set.declared
        ]
    )


def _lengths() -> Iterator[timedelta]:
    for hours in range(1, 24):
        yield timedelta(hours=hours)
    for days in range(1, 32):
        yield timedelta(days=days)
    for weeks in range(5, 54):
        yield timedelta(weeks=weeks)
