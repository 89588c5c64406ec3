"""From one pass to the next: where to look, how widely, and whom to bring along."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bcrlsp.allocation.dual.pass_result import PassPlan, PassResult
from bcrlsp.allocation.master.program import ProgramSolution
from bcrlsp.allocation.problem.constraints import FloatArray

_MARGIN = 1.5
_NARROWEST, _WIDEST = 0.02, 0.6
_WIDER = 3.0
# The users of a narrower box are guessed from a histogram and the average of the groups' boxes.
_GUESS = 1.25


@dataclass(frozen=True)
class TrustRegion:
    """core_users: to bring along. sampled: whether a share of the undecided users stands for all,
    or trial prices do. smallest: (g, p) width from which a box that is too narrow grows."""

    core_users: int
    sampled: bool
    smallest: FloatArray

    def share(self, expected: float) -> float:
        """The share of undecided users to bring along where `expected` are near."""
        share = min(1.0, self.core_users / max(expected, 1.0))
        return share if self.sampled or share == 1.0 else 0.0

    def after(
        self, here: PassResult, solution: ProgramSolution, clipped: NDArray[np.bool_]
    ) -> PassPlan:
        """The plan after a pass. clipped: (g, p) where prices would leave the box."""
        box, ratios = here.plan.box, here.answer.ratios
        if clipped.any():
            # There the prices have further to go; elsewhere they keep their box.
            wider = np.where(clipped, np.maximum(_WIDER * box, self.smallest), box)
            share = self.share(max(_WIDER * here.undecided, 1.0))
            return replace(here.plan, centre=solution.prices, box=wider, share=share)
        if self.sampled:
            narrow = np.clip(_MARGIN * here.uncertainty(solution), 1e-3 * box, box)
        else:
            narrow = _bracket(here, solution)
        part = narrow.max(axis=1) / np.maximum(box.max(axis=1), 1e-300)
        ratio = float(np.average(part, weights=here.source.sizes))
        # A box that holds no more users than the restricted master may leaves more of them to fill
        # budgets.
        ratio = max(ratio, _part(ratios, self.core_users // 2))
        share = self.share(_GUESS * _within(ratios, ratio))
        box = np.minimum(np.maximum(narrow, ratio * box), box)
        return replace(here.plan, centre=solution.prices, box=box, share=share)

    def last(self, here: PassResult) -> PassPlan:
        """The same prices once more, with so narrow a box that its users can be brought along."""
        part = _part(here.answer.ratios, self.core_users)
        share = 1.0 if part > 0.0 else self.core_users / here.undecided
        return replace(
            here.plan, box=here.plan.box * part if part > 0.0 else here.plan.box, share=share
        )


def _bracket(here: PassResult, solution: ProgramSolution) -> FloatArray:
    """(g, p) the distance from the prices to the trial prices around them."""
    box, trial_prices = here.plan.box, here.plan.trial_prices
    place = here.met(solution.prices) / np.where(box > 0.0, box, 1.0)
    if trial_prices.shape[1] == 1:
        stops = np.sort(np.concatenate([[-1.0, 0.0, 1.0], trial_prices[:, 0]]))
        after = np.clip(np.searchsorted(stops, place, side="right"), 1, len(stops) - 1)
        around = np.maximum(stops[after] - place, place - stops[after - 1])
        return np.asarray(np.clip(1.05 * around, 0.0, 1.0) * box)
    mix = np.reshape(solution.x, (len(box), -1, len(trial_prices)))
    used = np.any(mix > 1e-9, axis=1)
    stays = np.any(mix.sum(axis=2) < 1.0 - 1e-9, axis=1)
    off = np.abs(trial_prices[None, :, :] - place[:, None, :])
    off = np.where(used[:, :, None], off, 0.0).max(axis=1)
    off = np.where(stays[:, None], np.maximum(off, np.abs(place)), off)
    return np.asarray(np.clip(off, _NARROWEST, _WIDEST) * box)


def _within(ratios: NDArray[np.int64], ratio: float) -> float:
    """About how many users are within `ratio` times the box: a power of two upwards."""
    j = int(np.clip(np.floor(-np.log2(min(max(ratio, 1e-30), 1.0))), 0, len(ratios) - 1))
    return float(ratios[j:].sum())


def _part(ratios: NDArray[np.int64], users: int) -> float:
    """The largest part of the box, a power of two, that holds at most `users`."""
    inside = np.flatnonzero(np.cumsum(ratios[::-1])[::-1] <= users)
    return float(2.0 ** -int(inside[0])) if len(inside) else 0.0
