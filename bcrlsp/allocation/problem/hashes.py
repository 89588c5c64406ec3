"""Hashes of users' ids: the same on every machine, in whatever order and blocks users lie."""

from typing import Any

import numba
import numpy as np

from bcrlsp.compiled import compiled

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX2 = np.uint64(0x94D049BB133111EB)


@compiled(inline="always")
def mix(x: Any) -> Any:
    """Finaliser of splitmix64 (Steele, Lea, Flood 2014): every input bit moves every output bit."""
    x = x + _GOLDEN
    x = (x ^ (x >> np.uint64(30))) * _MIX1
    x = (x ^ (x >> np.uint64(27))) * _MIX2
    return x ^ (x >> np.uint64(31))


@compiled()
def hash_block(data, offsets, hashes):  # type: ignore[no-untyped-def]
    """hashes: (n,) uint64 of the byte strings data[offsets[i]:offsets[i + 1]] (FNV-1a, mixed)."""
    for i in range(len(hashes)):
        h = np.uint64(0xCBF29CE484222325)
        for j in range(offsets[i], offsets[i + 1]):
            h = (h ^ np.uint64(data[j])) * np.uint64(0x100000001B3)
        hashes[i] = mix(h)


@compiled(parallel=True)
def hash_numbers(hashes, threads):  # type: ignore[no-untyped-def]
    """hashes: (n,) uint64, as hash_block of the decimal text of 0, 1, 2, ..."""
    n = len(hashes)
    for t in numba.prange(threads):
        digits = np.empty(20, dtype=np.uint8)
        for i in range(n * t // threads, n * (t + 1) // threads):
            rest, size = i, 0
            while True:
                digits[size] = 48 + rest % 10
                rest //= 10
                size += 1
                if rest == 0:
                    break
            h = np.uint64(0xCBF29CE484222325)
            for j in range(size - 1, -1, -1):
                h = (h ^ np.uint64(digits[j])) * np.uint64(0x100000001B3)
            hashes[i] = mix(h)
