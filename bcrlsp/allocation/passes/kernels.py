"""Compiled passes over a block of users. Nothing here knows what a budget is.

The score of level a for a user of group g is
    weight * value[a] - (1 - JITTER * h) * (C[g, a] * cost[a] + N[g, a]),
h in [0, 1) from the mixed hash of the user's id. Equal scores: the cheaper level, then
the lower.
JITTER lets users that are equal in all but their id change level one after the other as a price
rises, in an order that the id alone fixes; what that costs is in the bound's slack.
"""

import numba
import numpy as np

from bcrlsp.allocation.problem.hashes import mix
from bcrlsp.compiled import compiled

JITTER = 2.0**-36
RATIO_BINS = 48


@compiled(inline="always")
def _score(value, cost, i, g, weight, damp, price_cost, price_count, score):  # type: ignore[no-untyped-def]
    """Fills score (a,) of user i and returns the best level."""
    best = 0
    for a in range(value.shape[1]):
        paid = price_cost[g, a] * cost[i, a] + price_count[g, a]
        v = np.float64(value[i, a])
        # A level that is not allowed has value -inf, whatever the weight.
        score[a] = -np.inf if v == -np.inf else weight * v - damp * paid
        if score[a] > score[best] or (score[a] == score[best] and cost[i, a] < cost[i, best]):
            best = a
    return best


@compiled(inline="always")
def _add(sums, value, cost, i, cell, a, h, per, times):  # type: ignore[no-untyped-def]
    per_value, per_cost, doubt, fold = per
    v = np.float64(value[i, a]) * per_value
    paid = np.ceil(np.float64(cost[i, a]) * per_cost - doubt)
    high = np.floor(paid * fold)
    sums[0, cell, a] += times * np.int64(np.rint(v))
    sums[1, cell, a] += times * np.int64(paid - high / fold)
    sums[2, cell, a] += times
    sums[3, cell, a] += times * np.int64(np.rint(v * h))
    sums[4, cell, a] += times * np.int64(high)


@compiled()
def _walk(  # type: ignore[no-untyped-def]
    value, cost, i, g, cell, h, weight, damp, box, alpha, beta, trial_prices, trial_cost,
    trial_count, per, trial_sums, score,
):  # fmt: skip
    """Adds user i's choices along rising prices to tried, as differences from try to try.

    From the choice at the lowest price on, the next is the cheaper level that overtakes it first.
    """
    a = _score(value, cost, i, g, weight, damp, trial_cost[0], trial_count[0], score)
    _add(trial_sums[0], value, cost, i, cell, a, h, per, 1)
    while True:
        used = alpha[0, a] * cost[i, a] + beta[0, a]
        rise, least, after = np.inf, used, -1
        for c in range(len(score)):
            uses = alpha[0, c] * cost[i, c] + beta[0, c]
            if uses < used and score[c] > -np.inf:
                here = (score[a] - score[c]) / (damp * (used - uses))
                if here < rise or (here == rise and uses < least):
                    rise, least, after = here, uses, c
        if after < 0:
            return
        j = np.searchsorted(trial_prices[:, 0], trial_prices[0, 0] + rise / box[g, 0])
        if j >= len(trial_prices):
            return
        _add(trial_sums[j], value, cost, i, cell, a, h, per, -1)
        _add(trial_sums[j], value, cost, i, cell, after, h, per, 1)
        a = after


@compiled()
def scan_rows(  # type: ignore[no-untyped-def]
    value, cost, group_index, hashes, weight, price_cost, price_count, per,
    box, alpha, beta, trial_prices, trial_cost, trial_count, along, split, salt, threshold,
    start, stop, sums, trial_sums, ratios, undecided,
):  # fmt: skip
    """Sums of the best choices of rows start to stop, and who is close to choosing otherwise.

    sums: (5, g, a) int64, adds up value, low part of cost (in units), users, value * h (in units)
    and high part of cost by chosen level. per: (units in a value of 1, in a cost of 1, doubt that
    is taken off before costs are rounded up, 2^-bits of the low part); see fixed_point.Units.
    box: (g, p) half-width of the prices by pattern. A user is near when some price in the box
    changes the choice: score lost <= Σ_p box * |change of w_p|; its ratio is the smallest of
    lost / that sum. ratios: (bins,) int64 counts ratios in (2^-(j+1), 2^-j].
    trial_prices: (j, p) other prices, as parts of the box; trial_cost, trial_count: (j, g, a) their
    tables.
    trial_sums: (j + 1, 4, cells, a) as sums, of the undecided users alone, at each of these and
    last at the centre; a cell is a group or, with split, a group and the level at the centre.
    along: the trial prices are rising prices of one pattern, the first has a table alone, and tried
    holds what each adds to the one before.
    undecided: (n,) bool, set for the undecided users whose salted hash is below threshold.
    """
    levels, count = value.shape[1], len(trial_prices)
    score = np.empty(levels)
    for i in range(start, stop):
        g = group_index[i]
        h = np.float64(mix(hashes[i]) >> np.uint64(11)) * 2.0**-53
        damp = 1.0 - JITTER * h
        b = _score(value, cost, i, g, weight, damp, price_cost, price_count, score)
        _add(sums, value, cost, i, g, b, h, per, 1)
        paid = np.float64(cost[i, b])
        ratio = np.inf
        for a in range(levels):
            if a == b or score[a] == -np.inf:
                continue
            width = 0.0
            for p in range(box.shape[1]):
                before = alpha[p, b] * paid + beta[p, b]
                width += box[g, p] * abs(alpha[p, a] * cost[i, a] + beta[p, a] - before)
            lost = score[b] - score[a]
            if lost <= width and width > 0.0:
                ratio = min(ratio, lost / width)
        if ratio <= 1.0:
            j = len(ratios) - 1
            if ratio > 0.0:
                j = min(j, int(np.floor(-np.log2(ratio))))
            ratios[j] += 1
            undecided[i] = mix(hashes[i] ^ salt) < threshold
            cell = g * levels + b if split else g
            if count:
                _add(trial_sums[count], value, cost, i, cell, b, h, per, 1)
            if along and count:
                _walk(
                    value, cost, i, g, cell, h, weight, damp, box, alpha, beta, trial_prices,
                    trial_cost, trial_count, per, trial_sums, score,
                )  # fmt: skip
                continue
            for j in range(count):
                a = _score(value, cost, i, g, weight, damp, trial_cost[j], trial_count[j], score)
                _add(trial_sums[j], value, cost, i, cell, a, h, per, 1)


@compiled(parallel=True)
def scan_block(  # type: ignore[no-untyped-def]
    value, cost, group_index, hashes, weight, price_cost, price_count, per,
    box, alpha, beta, trial_prices, trial_cost, trial_count, along, split, salt, threshold,
    threads, sums, trial_sums, ratios, undecided,
):  # fmt: skip
    """As scan_rows, of all rows: sums, tried and ratios have an entry a thread."""
    n = value.shape[0]
    for t in numba.prange(threads):
        scan_rows(
            value, cost, group_index, hashes, weight, price_cost, price_count, per,
            box, alpha, beta, trial_prices, trial_cost, trial_count, along, split, salt, threshold,
            n * t // threads, n * (t + 1) // threads, sums[t], trial_sums[t], ratios[t], undecided,
        )  # fmt: skip


@compiled()
def choose_rows(  # type: ignore[no-untyped-def]
    value, cost, group_index, hashes, weight, price_cost, price_count, start, stop, levels
):
    """levels: (n,) integer, filled with the best level of each user from start to stop."""
    score = np.empty(value.shape[1])
    for i in range(start, stop):
        damp = 1.0 - JITTER * (np.float64(mix(hashes[i]) >> np.uint64(11)) * 2.0**-53)
        levels[i] = _score(
            value, cost, i, group_index[i], weight, damp, price_cost, price_count, score
        )


@compiled(parallel=True)
def choose_block(  # type: ignore[no-untyped-def]
    value, cost, group_index, hashes, weight, price_cost, price_count, threads, levels
):
    """As choose_rows, of all rows."""
    n = value.shape[0]
    for t in numba.prange(threads):
        choose_rows(
            value, cost, group_index, hashes, weight, price_cost, price_count,
            n * t // threads, n * (t + 1) // threads, levels,
        )  # fmt: skip


def share_threshold(share: float) -> np.uint64:
    """The hash below which `share` of all users lie; none of them for a share of 0."""
    top = 2**64 - 1
    return np.uint64(top if share >= 1.0 else int(share * top))


@compiled()
def damping(hashes):  # type: ignore[no-untyped-def]
    """(n,) the factor on each user's prices, as the passes have it."""
    damp = np.empty(len(hashes))
    for i in range(len(hashes)):
        damp[i] = 1.0 - JITTER * (np.float64(mix(hashes[i]) >> np.uint64(11)) * 2.0**-53)
    return damp
