"""Centre, spread and bounds of the states that a network standardises by.

A column's bounds are its median ± 20 robust deviations; what lies beyond them is read as the nearer
bound, in training and in scoring alike, and mean and spread are those of the clipped column. So few
values of 1e9 leave the others as wide apart as they were. A column without such values keeps its
plain mean and standard deviation, to the digit.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bcrlsp.policies.network import WIDEST, far_bounds

# Robust deviations from the median to the bounds, and the sample that they are found on.
_REACH, _SAMPLE = 20.0, 200_000
# Third quartile of |z| of a normal variable: it makes the deviation the standard one there.
_QUARTILE = 1.1503493803760079
_NAMED = 5
# Below it float32 has no full precision.
_SMALLEST = 1e-36

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class StateScaling:
    """What each of d columns is standardised by, float32 (d,): (clip(x, low, high) - mean) / std.

    A column that never changes has std 1 and low = high = its value.
    clipped: (d,) float64, share of the rows beyond the bounds. constant: (d,) bool.
    """

    mean: Floats
    std: Floats
    low: Floats
    high: Floats
    clipped: NDArray[np.float64]
    constant: NDArray[np.bool_]

    @property
    def clip(self) -> tuple[tuple[float, float], ...]:
        """`NetworkSpec.clip`."""
        return tuple(zip(self.low.tolist(), self.high.tolist(), strict=True))

    def apply(self, states: Floats) -> Floats:
        """States (n, d) as the network sees them."""
        return (np.clip(states, self.low, self.high) - self.mean) / self.std

    def with_prices(self, largest: float) -> "StateScaling":
        """The same with one more column: a price drawn evenly from 0 to `largest`."""
        added = {"mean": largest / 2, "std": largest / np.sqrt(12), "low": 0.0, "high": largest}
        wider = {name: np.append(getattr(self, name), np.float32(v)) for name, v in added.items()}
        return replace(
            self,
            **wider,
            clipped=np.append(self.clipped, 0.0),
            constant=np.append(self.constant, False),
        )

    def metrics(self) -> dict[str, float]:
        """How many columns were clipped, the largest share of one's rows, and constant columns."""
        return {
            "features_clipped": float((self.clipped > 0).sum()),
            "features_clipped_share": float(self.clipped.max(initial=0.0)),
            "features_constant": float(self.constant.sum()),
        }

    def notes(self, names: Sequence[str]) -> tuple[str, ...]:
        """The same for people: a line on clipped columns and one on constant ones, where any is."""
        beyond = np.argsort(-self.clipped, kind="stable")[: int((self.clipped > 0).sum())]
        told = [
            f"{names[at]} ({self.clipped[at]:.2%} of rows beyond {self.low[at]:g} to "
            f"{self.high[at]:g})"
            for at in beyond.tolist()
        ]
        still = [names[at] for at in np.flatnonzero(self.constant).tolist()]
        lines = []
        if told:
            lines.append(f"features clipped to what is usual: {_listed(told)}")
        if still:
            lines.append(f"features that never change and say nothing: {_listed(still)}")
        return tuple(lines)


def state_scaling(
    states: Floats, chosen: NDArray[np.bool_] | None = None, rows: int = 8_192
) -> StateScaling:
    """Of the chosen rows of states (n, d), finite; block by block (Chan et al. 1979)."""
    if chosen is None:
        chosen = np.ones(len(states), bool)
    low, high = _bounds(states, chosen)
    width = states.shape[1]
    count, mean, squares, beyond = 0, np.zeros(width), np.zeros(width), np.zeros(width)
    for start in range(0, len(states), rows):
        logged = states[start : start + rows][chosen[start : start + rows]]
        if not len(logged):
            continue
        beyond += ((logged < low) | (logged > high)).sum(axis=0)
        block = np.clip(logged, low, high).astype(np.float64)
        centre = block.mean(axis=0)
        apart = centre - mean
        total = count + len(block)
        squares += ((block - centre) ** 2).sum(axis=0) + apart**2 * count * len(block) / total
        mean += apart * len(block) / total
        count = total
    std = np.sqrt(squares / max(count, 1))
    # A constant column's rounding noise, a last digit of float32, is not blown up to a feature.
    constant = std <= np.maximum(2.0**-23 * np.abs(mean), _SMALLEST)
    std[constant] = 1.0
    small = mean.astype(np.float32)
    far_low, far_high = far_bounds(small, std.astype(np.float32))
    return StateScaling(
        mean=small,
        std=std.astype(np.float32),
        low=np.where(constant, small, np.maximum(low, far_low)),
        high=np.where(constant, small, np.minimum(high, far_high)),
        clipped=beyond / max(count, 1),
        constant=constant,
    )


def _bounds(states: Floats, chosen: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Median ± 20 deviations by column, float32 (d,).

    The deviation is the third quartile of the distances from the median, of values that differ from
    it, so that a column that is mostly 0 is judged by what it is otherwise.
    """
    width = states.shape[1]
    low, high = np.full(width, -WIDEST), np.full(width, WIDEST)
    picked = np.flatnonzero(chosen)
    if len(picked) > _SAMPLE:
        picked = picked[np.linspace(0, len(picked) - 1, _SAMPLE).astype(np.int64)]
    sample = states[picked]
    for column in range(width):
        values = sample[:, column].astype(np.float64)
        middle = np.median(values) if len(values) else 0.0
        distance = np.abs(values - middle)
        distance = distance[distance > 0]
        if len(distance):
            reach = _REACH * np.quantile(distance, 0.75) / _QUARTILE
            low[column] = max(middle - reach, -WIDEST)
            high[column] = min(middle + reach, WIDEST)
    return low.astype(np.float32), high.astype(np.float32)


def _listed(items: list[str]) -> str:
    more = len(items) - _NAMED
    return ", ".join(items[:_NAMED]) + (f" and {more} more" if more > 0 else "")
