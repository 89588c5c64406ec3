"""Re-solving the LP on forecast: model predictive control with the joint dual of all budgets.

At each step the rest of the period is planned as if the forecast were the future: requests by bin
of time, users as lately seen, money that is out coming back as it used to. The dual prices of that
plan, of the present bin, are the prices until the next step.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bcrlsp.control.controllers.base import Past
from bcrlsp.control.controllers.dual import NO_BOUND, Future, solve
from bcrlsp.control.watch import Position, Sample, Steer, Watch

Floats = NDArray[np.float64]


class ForecastLp:
    """See the module.

    past: what the log has taught. bins, horizons: of the rest of the period. users: of the sample.
    half_life: seconds in which half of a surge of requests is expected to be over. band: relative
    change of a price below which it stays. prior: requests that today's level of arrivals weighs
    against the forecast.
    """

    def __init__(
        self,
        past: Past,
        *,
        bins: int = 12,
        horizons: int = 6,
        users: int = 400,
        half_life: float = 1800.0,
        band: float = 0.01,
        prior: float = 300.0,
    ) -> None:
        self._past, self._bins, self._users = past, bins, users
        self._half_life, self._band, self._prior = half_life, band, prior
        k = len(past.prices)
        self._duals = np.zeros((k, horizons))
        self._duals[:, -1] = past.prices
        self._steer: Steer | None = None
        # Redeemed money of today in relation to what was expected of it.
        self.redemption_ratio = 1.0

    def step(self, now: float, position: Position, watch: Watch) -> Steer:
        """See `Controller`."""
        if now >= watch.end:
            return self._steer or Steer(self._past.prices, np.ones(len(self._past.prices)))
        # Fine near the present, where a budget may bind soon, and coarse far out.
        edges = now + (watch.end - now) * np.linspace(0, 1, self._bins + 1) ** 2
        middles = (edges[1:] + edges[:-1]) / 2
        chosen = np.linspace(0, self._bins, self._duals.shape[1] + 1).round().astype(int)[1:]
        horizons = edges[chosen]
        self.redemption_ratio = self._redemptions(now, position, watch)
        sample = self._sample(watch)
        face, expected = self._uses(sample)
        held = self._past.returns.hold(horizons[None, :] - middles[:, None])
        room = position.room[:, None] + self._coming_back(now, horizons, watch)
        future = Future(
            gain=sample.gain,
            face=face,
            expected=expected,
            arrivals=self._arrivals(now, edges, middles, watch),
            held=held,
            counted=middles[:, None] < horizons[None, :],
            # A budget without a limit binds nothing.
            room=np.where(np.isfinite(room), np.maximum(room, 0.0), NO_BOUND),
        )
        positive = sample.gain[np.isfinite(sample.gain) & (sample.gain > 0)]
        temperature = 0.03 * float(positive.mean()) if len(positive) else 1.0
        self._duals = solve(future, self._duals, temperature)
        of_face = (self._duals * held[0] * future.counted[0]).sum(axis=1)
        total = (self._duals * future.counted[0]).sum(axis=1)
        holding = np.where(total > 0, of_face / np.where(total > 0, total, 1.0), 1.0)
        return self._kept(Steer(total, np.clip(holding, 0.0, 1.0)))

    def _kept(self, found: Steer) -> Steer:
        """The prices of before where the new ones hardly differ: fewer moves, the same spend."""
        old = self._steer
        if old is not None:
            near = np.abs(found.prices - old.prices) <= self._band * old.prices
            near &= np.abs(found.holding - old.holding) <= self._band
            found = Steer(
                np.where(near, old.prices, found.prices),
                np.where(near, old.holding, found.holding),
            )
        self._steer = found
        return found

    def _arrivals(self, now: float, edges: Floats, middles: Floats, watch: Watch) -> Floats:
        """Requests expected in each bin: the curve, times today's level and a surge that ends."""
        curve = np.array([self._past.arrivals.expected(a, b) for a, b in pairwise(edges)])
        base, recent = self._levels(now, watch)
        return curve * (base + (recent - base) * 0.5 ** ((middles - now) / self._half_life))

    def _levels(self, now: float, watch: Watch) -> tuple[float, float]:
        """Requests in relation to the curve: of today (a median, so that a surge does not move it)
        and of the last slots."""
        last = watch.slot(now - 1e-6)
        starts = watch.start + watch.width * np.arange(last + 1)
        planned = np.array(
            [self._past.arrivals.expected(s, min(s + watch.width, now)) for s in starts]
        )
        seen = watch.requests[: last + 1]
        if planned.sum() <= 0:
            return 1.0, 1.0
        ratios = seen / np.maximum(planned, 1e-9)
        window = slice(max(0, last + 1 - 36), last + 1)
        weight = planned[window].sum() / (planned[window].sum() + self._prior)
        base = 1.0 + weight * (float(np.median(ratios[window])) - 1.0)
        lately = slice(max(0, last - 1), last + 1)
        noise = 30.0
        recent = (seen[lately].sum() + noise * base) / (planned[lately].sum() + noise)
        return base, float(recent)

    def _sample(self, watch: Watch) -> Sample:
        """Users as lately seen, filled up with those of past days."""
        past = self._past.sample
        if watch.sample is None:
            return past.joined(past, self._users)
        return past.joined(watch.sample, self._users)

    def _uses(self, sample: Sample) -> tuple[Floats, Floats]:
        """What each level takes of each budget, before and after it is settled: (n, a, k)."""
        amounts = self._past.amounts
        cost = np.minimum(sample.cost * self.redemption_ratio, amounts)
        share = cost / np.where(amounts > 0, amounts, 1.0)
        counted = sample.counted[:, None, :].astype(float)
        money = np.array([measure == "cost" for measure in self._past.measures])
        face = np.where(money, amounts[None, :, None], (amounts > 0)[None, :, None]) * counted
        expected = np.where(money, cost[:, :, None], share[:, :, None]) * counted
        return face, expected

    def _coming_back(self, now: float, horizons: Floats, watch: Watch) -> Floats:
        """Money that is out now and will be back at each horizon: (k, h)."""
        sent = watch.middles
        back = self._past.returns.hold(np.maximum(now - sent, 0.0))[:, None] - (
            self._past.returns.hold(horizons[None, :] - sent[:, None])
        )
        unspent = np.maximum(watch.face - watch.expected * self.redemption_ratio, 0.0)
        return np.asarray(unspent.T @ np.where(sent[:, None] < now, np.maximum(back, 0.0), 0.0))

    def _redemptions(self, now: float, position: Position, watch: Watch) -> float:
        """Redeemed in relation to what was expected by now; near 1 while that is little."""
        due = (watch.expected * self._past.returns.seen(now - watch.middles)[:, None]).sum(axis=0)
        if not len(due) or due.max() <= 0:
            return 1.0
        first = int(due.argmax())
        weight = float(watch.face[:, first].sum()) * 0.01
        ratio = (position.redeemed[first] + weight) / (due[first] + weight)
        return float(np.clip(ratio, 0.2, 5.0))
