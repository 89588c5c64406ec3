"""Whether an estimate can be trusted: effective sample size, weight tail, overlap, balance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bcrlsp.evaluation.balance import FALSE, SUSPECT, Balance, Doubt
from bcrlsp.evaluation.log import Floats, Log
from bcrlsp.evaluation.settings import Settings
from bcrlsp.evaluation.terms import Terms

LONG_TAIL = 0.7
"""Above this the Pareto shape k says that the weights' mean converges too slowly to be of use."""

SIGNIFICANT = 3.0
"""Standard errors from 1 at which a mean ratio is not chance."""

ROUNDING = 1e-6
"""Relative difference of two weights that single precision alone may make."""

HEAVY = 3.0
"""Times its even share from which a user's share of the weight is worth a warning."""


@dataclass(frozen=True)
class Diagnostics:
    """What stands behind an estimate.

    effective_sample_size: (Σ w)² / Σ w² of the users' weights (Kish), in users; effective_share:
    the same over the number of users.
    largest_share: share of the total weight that the heaviest user has.
    mean_weight: near 1 where the log holds what the target does; mean_weight_error: its standard
    error.
    pareto_k: shape of the weights' tail (Vehtari et al., Pareto smoothed importance sampling,
    JMLR 2024); -inf where weights are equal but for rounding, nan where there are too few users
    or different weights to tell.
    mean_ratio: mean of π / μ over rows, which is 1 if the log covers the target and the
    propensities are true.
    uncovered: share of the target's mass on levels that the log does not cover.
    never_logged: levels that the target uses and the log does not have at all.
    doubts: means of weights that are not what they must be, both sides; see `balance`.
    """

    users: int
    effective_sample_size: float
    effective_share: float
    largest_share: float
    mean_weight: float
    mean_weight_error: float
    pareto_k: float
    mean_ratio: float
    uncovered: float
    never_logged: tuple[int, ...]
    doubts: tuple[Doubt, ...] = ()


@dataclass(frozen=True)
class Coverage:
    """Sums over rows that show overlap; those of parts of a log add up.

    mass, logged: arrays (a,): discounted target mass and rows of each level. below_floor: mass on
    levels of which the behaviour is known to be under the floor (0 where it is not known).
    total: discounted rows. balance: whether weights average 1. unsent: absolute rewards in the rows
    of level 0, which sends nothing.
    """

    mass: Floats
    logged: Floats
    below_floor: float
    total: float
    balance: Balance
    unsent: float

    def __add__(self, other: Coverage) -> Coverage:
        """The sums of two parts of a log."""
        return Coverage(
            self.mass + other.mass,
            self.logged + other.logged,
            self.below_floor + other.below_floor,
            self.total + other.total,
            self.balance + other.balance,
            self.unsent + other.unsent,
        )


def coverage(log: Log, behaviour: Floats | None, floor: float) -> Coverage:
    """Overlap of the target with the log; behaviour: array (N, a) or None."""
    discounts = log.discounts
    below = 0.0
    if behaviour is not None:
        below = float((discounts * np.where(behaviour < floor, log.target, 0.0).sum(1)).sum())
    return Coverage(
        mass=discounts @ log.target,
        logged=np.bincount(log.levels, minlength=log.target.shape[1]).astype(np.float64),
        below_floor=below,
        total=float(discounts.sum()),
        balance=Balance.of(log),
        unsent=float(np.abs(log.rewards[log.levels == 0]).sum()),
    )


def diagnose(terms: Terms, seen: Coverage) -> Diagnostics:
    """All figures of one estimate."""
    weights = np.maximum(terms.weights, 0.0)
    total, users = float(weights.sum()), len(weights)
    largest = float(weights.max())
    # Divided by the largest, so that squares of tiny or huge weights stay in range.
    relative = weights / largest if largest > 0 else weights
    effective = float(relative.sum() ** 2 / (relative**2).sum()) if largest > 0 else 0.0
    never = tuple(int(level) for level in np.flatnonzero((seen.logged == 0) & (seen.mass > 0)))
    overall = seen.balance.overall
    gap = float(overall.gaps[0])
    # The rows of one user depend on each other: the users' sums are what varies.
    error = float(np.sqrt(overall.squares[0])) / seen.total
    # Rounding is no lack of cover.
    lacking = -gap - SIGNIFICANT * error
    # The largest user counts once more: of a long tail a sample shows too little.
    spread = float(((relative - relative.mean()) ** 2).sum()) + 1.0
    unlogged = float(seen.mass[list(never)].sum()) / seen.total
    below = seen.below_floor / seen.total
    return Diagnostics(
        users=users,
        effective_sample_size=effective,
        effective_share=effective / users,
        largest_share=float(1 / relative.sum()) if largest > 0 else 1.0,
        mean_weight=total / users,
        mean_weight_error=largest * float(np.sqrt(spread)) / users,
        pareto_k=pareto_shape(weights),
        mean_ratio=1.0 + gap,
        uncovered=max(unlogged, below, lacking if lacking > ROUNDING else 0.0),
        never_logged=never,
        doubts=tuple(seen.balance.doubts()),
    )


def refusals(found: Diagnostics, settings: Settings, weighted: bool) -> list[str]:
    """Why no number should be given; empty where one may.

    weighted: whether the estimate depends on the propensities; without, false ones harm nothing.
    """
    reasons = []
    lacking = found.uncovered > settings.max_uncovered
    if lacking:
        levels = ", ".join(map(str, found.never_logged))
        reasons.append(
            f"no estimate: {found.uncovered:.1%} of the target's mass is on levels that the log "
            f"does not cover{f' (never sent: {levels})' if levels else ''}; log such levels first"
            + ("" if levels else ", or look whether the propensities are too high")
        )
    reasons += [
        f"no estimate: {_explained(doubt)}"
        for doubt in found.doubts
        if doubt.false and (weighted if doubt.above else not lacking)
    ]
    if found.effective_sample_size < settings.min_effective_users:
        reasons.append(
            f"no estimate: the answer would rest on {found.effective_sample_size:.1f} effective "
            f"users of {found.users}, fewer than {settings.min_effective_users:g}; the target is "
            "too far from the log for this estimator: try dm, or fewer periods"
        )
    if found.mean_weight < settings.min_mean_weight:
        reasons.append(
            f"no estimate: the weights average {found.mean_weight:.2f} instead of 1, so the log "
            "lacks the trajectories that the target makes likely; try dm, or fewer periods"
        )
    if weighted and _above(found) > FALSE and found.mean_weight * settings.min_mean_weight > 1:
        reasons.append(
            f"no estimate: the weights average {found.mean_weight:.2f} instead of 1, so the "
            "propensities are too low; log what the log's own policy drew with"
        )
    return reasons


def cautions(found: Diagnostics) -> list[str]:
    """What a reader should know before trusting the number."""
    warnings = []
    if found.uncovered > 0:
        warnings.append(
            f"{found.uncovered:.2%} of the target's mass is on levels that the log does not cover"
        )
    warnings += [_explained(doubt) for doubt in found.doubts]
    if found.effective_sample_size < 100 or found.effective_share < 0.01:
        warnings.append(
            f"the answer rests on {found.effective_sample_size:.0f} effective users of "
            f"{found.users}; the interval may be too narrow"
        )
    if found.largest_share > max(0.05, HEAVY / found.users):
        warnings.append(f"one user carries {found.largest_share:.0%} of the weight")
    if found.pareto_k > LONG_TAIL:
        warnings.append(
            f"the weights have a long tail (Pareto k {found.pareto_k:.2f}, above {LONG_TAIL}): "
            "estimate and interval are unstable"
        )
    if found.mean_weight < 0.9:
        warnings.append(
            f"the weights average {found.mean_weight:.2f} instead of 1: rare trajectories that the "
            "target makes likely are missing from the log"
        )
    if found.mean_weight > 1.1 and _above(found) > SUSPECT:
        warnings.append(
            f"the weights average {found.mean_weight:.2f} instead of 1, by {_above(found):.0f} "
            "standard errors: the propensities are too low"
        )
    return warnings


def _above(found: Diagnostics) -> float:
    """Standard errors by which the mean weight is above 1."""
    gap = found.mean_weight - 1.0
    return gap / found.mean_weight_error if gap > 0 and found.mean_weight_error > 0 else 0.0


def _explained(doubt: Doubt) -> str:
    if doubt.above:
        return f"{doubt.line}: the propensities are not those that the log was drawn with"
    return (
        f"{doubt.line}: the log does not cover what the target does there, or the propensities "
        "are too high"
    )


def pareto_shape(weights: Floats) -> float:
    """Shape k of a generalised Pareto distribution fitted to the largest weights.

    Zhang and Stephens, Technometrics 2009, with the weakly informative prior of Vehtari et al.;
    the tail is the largest min(n / 5, 3 sqrt(n)). weights: array (n,), at least 0.
    """
    count = int(min(len(weights) / 5, 3 * np.sqrt(len(weights))))
    if count < 5:
        return float("nan")
    ordered = np.sort(weights)
    tail = ordered[-count:] - ordered[-count - 1]
    # Weights that differ by rounding alone are equal.
    tail = tail[tail > ROUNDING * ordered[-1]]
    if len(tail) == 0 or (len(tail) >= 5 and tail[-1] - tail[0] <= ROUNDING * tail[-1]):
        return float("-inf")
    if len(tail) < 5:
        return float("nan")
    size = len(tail)
    grid = 30 + int(np.sqrt(size))
    quartile = tail[int(size / 4 + 0.5) - 1]
    theta = 1 / tail[-1] + (1 - np.sqrt(grid / (np.arange(1, grid + 1) - 0.5))) / (3 * quartile)
    shapes = np.log1p(-theta[:, None] * tail).mean(1)
    likelihood = size * (np.log(-theta / shapes) - shapes - 1)
    chances = np.exp(likelihood - likelihood.max())
    best = float((theta * chances).sum() / chances.sum())
    shape = float(np.log1p(-best * tail).mean())
    return (size * shape + 5) / (size + 10)
