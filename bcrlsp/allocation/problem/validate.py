"""Checks of the users' numbers, before any computing, and the hash of their ids."""

from collections.abc import Callable, Iterable, Mapping, Set
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bcrlsp.allocation.problem import hashes as id_hashes
from bcrlsp.allocation.problem import input_kernels
from bcrlsp.allocation.problem.fixed_point import PLACES, Stats
from bcrlsp.arrays import as_flags
from bcrlsp.compiled import threads_for
from bcrlsp.errors import DataError, UserError

Floats = NDArray[np.floating[Any]]


# Parts of a value that the rounding of a few sums may change, in double and single precision.
_ALIKE = {8: 2.0**-50, 4: 2.0**-22}


def equal_where_alike(value: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """Values of which a user's differ by more than rounding, and the rows that were changed.

    0.3 and 0.1 + 0.2 are one value.
    """
    part, undecided = _ALIKE[value.dtype.itemsize], np.zeros(len(value), dtype=np.bool_)
    # The larger of two alike values is at most a little above the other.
    input_kernels.find_alike(
        value, value.dtype.type(2.0 * part), threads_for(len(value)), undecided
    )
    rows = np.flatnonzero(undecided)
    if not len(rows):
        return value, rows
    some = value[rows]
    input_kernels.make_equal(some, part)
    value = value.copy()
    value[rows] = some
    return value, rows


def masked(value: Floats, cost: Floats, allowed: ArrayLike | None) -> tuple[Floats, Floats]:
    """value and cost with -inf and 0 where a level is not allowed, as a value of -inf says too."""
    if allowed is None:
        ruled_out = np.isneginf(value) if np.isneginf(value.min(initial=0.0)) else None
        if ruled_out is None or not cost[ruled_out].any():
            return value, cost
        return value, np.where(ruled_out, cost.dtype.type(0.0), cost)
    may = as_flags(allowed, "allowed")
    if may.shape != value.shape:
        raise UserError(f"allowed has shape {may.shape}; allowed: booleans of shape {value.shape}")
    ruled_out = ~may | np.isneginf(value)
    value, cost = value.copy(), cost.copy()
    value[ruled_out] = -np.inf
    cost[ruled_out] = 0.0
    return value, cost


def inspect(
    value: Floats,
    cost: Floats,
    group_index: NDArray[np.int32],
    groups: int,
    name: Callable[[int], str],
) -> tuple[Stats, NDArray[np.float64]]:
    """What the sums need to know, and the largest cost in each group (groups,).

    group_index: (n,) groups. name: what a row's user is called in a message.

    Raises DataError for a value or cost that is not finite, a cost below 0 or a user without an
    allowed level.
    """
    tops = np.zeros(groups)
    inspected = input_kernels.inspect_block(value, cost, group_index, PLACES, tops)
    problem, row, level, *details = inspected
    if problem == 1:
        raise DataError(
            f"value of {name(row)} at level {level} is {value[row, level]}; allowed: finite "
            "numbers (rule a level out with allowed)"
        )
    if problem == 2:
        raise DataError(
            f"cost of {name(row)} at level {level} is {cost[row, level]}; "
            "allowed: finite numbers of at least 0"
        )
    if problem == 3:
        raise DataError(f"{name(row)} has no allowed level; allow at least one for every user")
    return Stats(len(value), *details), tops


def hash_ids(user_ids: Iterable[Any] | None, n: int) -> NDArray[np.uint64]:
    """(n,) hashes of the ids' text; without ids, of the rows' numbers. Ids must be unique."""
    hashes = np.empty(n, dtype=np.uint64)
    if user_ids is None:
        id_hashes.hash_numbers(hashes, threads_for(n))
        return hashes
    ordered_ids = isinstance(user_ids, Iterable) and not isinstance(
        user_ids, str | bytes | Set | Mapping
    )
    if not ordered_ids:
        raise UserError(f"user_ids is {user_ids!r}; allowed: a list of ids, one a user")
    ids = list(user_ids)
    if len(ids) != n:
        raise UserError(f"user_ids has {len(ids)} entries; allowed: one for each of {n} users")
    nobody = next((row for row, user in enumerate(ids) if user is None), None)
    if nobody is not None:
        raise DataError(f"user_ids has None in row {nobody}; give every row its user")
    texts = [str(user).encode(errors="surrogatepass") for user in ids]
    offsets = np.cumsum([0, *map(len, texts)], dtype=np.int64)
    id_hashes.hash_block(np.frombuffer(b"".join(texts) or b"\0", dtype=np.uint8), offsets, hashes)
    ordered = np.sort(hashes)
    if n > 1 and bool(np.any(ordered[1:] == ordered[:-1])):
        seen: set[bytes] = set()
        for text in texts:
            if text in seen:
                raise DataError(f"user {text.decode()!r} is there twice; give each user one row")
            seen.add(text)
    return hashes
