"""What the loop looks like from outside: figures of now, and alarms."""

from collections import deque
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bcrlsp.control.watch import Position

_KEPT = 720


@dataclass(frozen=True)
class Bands:
    """pace: share of a budget that spend may be off its plan. lag: seconds to a decision."""

    pace: float = 0.1
    lag: float = 60.0


def alarms(
    names: list[str],
    position: Position,
    planned: NDArray[np.float64],
    counts: dict[str, float],
    lag: float | None,
    bands: Bands,
) -> list[str]:
    """One line each; none where all is well."""
    found = []
    for name, limit, used, plan in zip(names, position.limit, position.used, planned, strict=True):
        if not np.isfinite(limit):
            continue
        if used > limit:
            found.append(f"budget {name}: {used:,.2f} is used of {limit:,.2f}; nothing is sent")
        off = (used - plan) / limit if limit > 0 else 0.0
        if abs(off) > bands.pace:
            side = "above" if off > 0 else "below"
            found.append(f"budget {name}: spend is {abs(off):.0%} of the budget {side} its plan")
    if lag is not None and lag > bands.lag:
        found.append(f"decisions come {lag:,.0f} s after their requests")
    if counts.get("late_units"):
        found.append(
            f"{counts['late']:.0f} redemptions came after their money had gone back; raise grace"
        )
    for name, what in (
        ("foreign", "redemptions of decisions that sent nothing"),
        ("conflicts", "redemptions came twice with different amounts"),
        ("excess_units", "units were redeemed above face value"),
    ):
        if counts.get(name):
            found.append(f"{counts[name]:.0f} {what}")
    return found


@dataclass
class Board:
    """The newest status and those before it; one writer, any readers."""

    title: str = ""
    _points: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=_KEPT))
    _lock: Lock = field(default_factory=Lock)

    def put(self, status: dict[str, Any]) -> None:
        """A new status: JSON types only."""
        with self._lock:
            self._points.append(status)

    def newest(self) -> dict[str, Any] | None:
        """The last status."""
        with self._lock:
            return self._points[-1] if self._points else None

    def points(self) -> list[dict[str, Any]]:
        """The last 720 statuses, the newest last."""
        with self._lock:
            return list(self._points)

    def health(self) -> dict[str, Any]:
        """state: starting, ok or alarm; and the newest status."""
        newest = self.newest()
        if newest is None:
            return {"state": "starting", "alarms": []}
        return {"state": "alarm" if newest["alarms"] else "ok", **newest}
