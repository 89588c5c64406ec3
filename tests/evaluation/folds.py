"""The folds of cross-fitting as documented, computed apart from the code under test.

A user's fold is a 32-bit hash of "seed:user" modulo the number of folds: CRC-32, then the mixing
of Wellons' hash32 "lowbias32" (shifts 16, 15, 16; multipliers 0x7feb352d, 0x846ca68b).
"""

import zlib

import numpy as np


def folds_of(users: list[str], count: int, seed: int = 0) -> np.ndarray:
    """The fold of each user, array (n,)."""
    value = np.array([zlib.crc32(f"{seed}:{user}".encode()) for user in users], dtype=np.uint32)
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        value = (value ^ (value >> np.uint32(shift))) * np.uint32(factor)
    return ((value ^ (value >> np.uint32(16))) % np.uint32(count)).astype(int)
