"""Numbers read from histories: each takes words and gives one float32 a user.

words: array (w, n), uint32, the words of one plane; bit 0 is the newest period. Raise VERSION when
a read or a plane gives another number than before: it is part of every feature set's hash.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

VERSION = 1

Words = NDArray[np.uint32]
Read = Callable[..., NDArray[Any]]

_ONE = np.uint32(1)


def _mask(periods: int) -> np.uint32:
    return np.uint32((1 << periods) - 1)


def _set_bits(word: Words) -> NDArray[np.uint8]:
    return np.asarray(np.bitwise_count(word), dtype=np.uint8)


def _trailing_zeros(word: Words) -> NDArray[np.uint8]:
    """Zeros before the lowest set bit; 32 where there is none."""
    return _set_bits((word & (~word + _ONE)) - _ONE)


def count(words: Words, periods: int) -> NDArray[Any]:
    """Number of set bits in the last `periods`."""
    return _set_bits(words[0] & _mask(periods))


def word_count(words: Words, word: int, periods: int) -> NDArray[Any]:
    """Number of set bits of one word of the plane in the last `periods`."""
    return _set_bits(words[word] & _mask(periods))


def log_total(words: Words, periods: int) -> NDArray[Any]:
    """log(1 + sum over the last `periods` of a count kept in binary)."""
    mask = _mask(periods)
    total = np.zeros(words.shape[1:], dtype=np.float32)
    for digit, word in enumerate(words):
        total += _set_bits(word & mask).astype(np.float32) * np.float32(1 << digit)
    return np.asarray(np.log1p(total))


def lag(words: Words, periods: int) -> NDArray[Any]:
    """The bit of `periods` ago; 1 is the newest."""
    return np.asarray((words[0] >> np.uint32(periods - 1)) & _ONE)


def recency(words: Words) -> NDArray[Any]:
    """Periods since the newest set bit: 0 when it is the last period's, 32 when there is none."""
    return _trailing_zeros(words[0])


def streak(words: Words) -> NDArray[Any]:
    """Number of set bits in a row, from the newest back; at most 32."""
    return _trailing_zeros(~words[0])


def pause(words: Words, known: Words) -> NDArray[Any]:
    """Number of clear bits in a row, from the newest back to sign-up; at most 32."""
    return np.minimum(_trailing_zeros(words[0]), _set_bits(known[0]))


def last_level(words: Words) -> NDArray[Any]:
    """The level whose bit is the newest of all words; 0 when no bit is set."""
    recencies = np.stack([_trailing_zeros(word) for word in words])
    return np.where(recencies.min(axis=0) < 32, recencies.argmin(axis=0) + 1, 0)


def walk(words: Words, top: int) -> NDArray[Any]:
    """One up for a set bit, one down for a clear one, between 0 and `top`; 0 before the oldest."""
    table = _steps(top)
    state = np.zeros(words.shape[1:], dtype=np.uint8)
    for shift in (24, 16, 8, 0):  # oldest first
        state = table[state, (words[0] >> np.uint32(shift)) & np.uint32(255)]
    return state


@cache
def _steps(top: int) -> NDArray[np.uint8]:
    """Where a walk stands after eight bits, array (top + 1, 256), by where it stood."""
    state = np.broadcast_to(np.arange(top + 1)[:, None], (top + 1, 256))
    bits = np.arange(256)
    for place in range(7, -1, -1):
        state = np.clip(state + 2 * ((bits >> place) & 1) - 1, 0, top)
    return state.astype(np.uint8)


READS: Mapping[str, Read] = {
    read.__name__: read
    for read in (count, word_count, log_total, lag, recency, streak, pause, last_level, walk)
}
"""All reads by name."""
